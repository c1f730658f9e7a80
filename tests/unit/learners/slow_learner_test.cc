// What SLCA, SLCA++, CoFiMA and CoMA share: what is trained, aligned and restored; and what is
// specific to each of them.
#include <gtest/gtest.h>

#include <set>

#include "patina/adapt/lora.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

using State = std::map<std::string, Tensor>;

bool same(const State& a, const State& b, const std::string& key) {
  return at::equal(a.at(key), b.at(key));
}

// Weight decay strong enough to be visible in a few steps.
const TrainingOptions kSlowTraining{
    .epochs = 2, .batch_size = 8, .optimizer = {.lr = 0.01, .weight_decay = 0.1}};

TEST(SlowLearner, RestoresTheTrainedHeadsWhenTheNextTaskBegins) {
  ToyLearning toy("slca", "", kSlowTraining);
  toy.learn();
  EXPECT_TRUE(at::equal(toy.state().at("heads.weights.0"), toy.state().at("trained.weights.0")))
      << "there is nothing to align after the first task";
  toy.begin();
  toy.fit();
  const State trained = toy.state();
  toy.end();
  const State aligned = toy.state();
  for (const char* key : {"heads.weights.0", "heads.weights.1", "heads.biases.0", "heads.biases.1"})
    EXPECT_FALSE(same(aligned, trained, key)) << key << " was not aligned";
  // Between two tasks the aligned heads are used for scores.
  const Tensor features = toy.features();
  const Tensor wanted =
      at::cat({at::linear(features, aligned.at("heads.weights.0"), aligned.at("heads.biases.0")),
               at::linear(features, aligned.at("heads.weights.1"), aligned.at("heads.biases.1"))},
              1);
  EXPECT_LT(relative_error(toy.scores(), wanted), 1e-5);
  toy.begin();
  const State next = toy.state();
  for (const char* key : {"heads.weights.0", "heads.weights.1", "heads.biases.0", "heads.biases.1"})
    EXPECT_TRUE(same(next, trained, key)) << key << " stayed aligned";
}

TEST(SlowLearner, LeavesOldHeadsAndStatisticsAlone) {
  ToyLearning toy("slca", "", kSlowTraining);
  toy.learn();
  const State first = toy.state();
  toy.begin();
  toy.fit();
  const State trained = toy.state();
  EXPECT_TRUE(same(trained, first, "heads.weights.0"));
  EXPECT_TRUE(same(trained, first, "heads.biases.0"));
  EXPECT_FALSE(same(trained, first, "backbone.blocks.0.attn.qkv.weight"));
  toy.end();
  const State second = toy.state();
  for (const char* key : {"gaussians.means.0", "gaussians.means.1", "gaussians.factors.0"})
    EXPECT_TRUE(same(second, first, key)) << key;
  EXPECT_EQ(second.count("gaussians.means.3"), 1u);
}

TEST(SlowLearner, TrainsTheBackboneSlowlyAndTheNewestHead) {
  ToyLearning toy("slca", "backbone_lr_factor = 0.02");
  toy.learn();
  toy.begin();
  const auto groups = toy.learner->trainable();
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].lr_factor, 0.02);
  EXPECT_EQ(groups[0].tensors.size(), nn::tensors(*toy.vit).size());
  EXPECT_EQ(groups[1].lr_factor, 1);
  ASSERT_EQ(groups[1].tensors.size(), 2u);
  EXPECT_TRUE(at::equal(groups[1].tensors[0], toy.state().at("heads.weights.1")));
  // Only the task's classes compete, so the first task's head gets no gradient.
  Batch batch;
  toy.trainer.each_batch(*toy.task->train, "batch", [&](const Batch& b) { batch = b; });
  toy.learner->loss(batch, {}).backward();
  for (const auto& tensor : groups[1].tensors) EXPECT_TRUE(tensor.grad().defined());
}

TEST(SlcaPlusPlus, TrainsLoraNormsBiasesAndTheClassToken) {
  ToyLearning toy("slcapp", "", kSlowTraining);
  const auto initial = random_vit();
  toy.begin();
  EXPECT_EQ(toy.learner->trainable()[2].lr_factor, 0.5);
  toy.fit();
  toy.end();
  std::set<std::string> moved;
  const auto now = nn::tensors(*toy.vit), before = nn::tensors(*initial);
  for (size_t i = 0; i < now.size(); ++i)
    if (!at::equal(now[i].tensor, before[i].tensor)) moved.insert(now[i].name);
  EXPECT_EQ(moved.count("cls_token"), 1u);
  EXPECT_EQ(moved.count("blocks.1.norm2.weight"), 1u);
  EXPECT_EQ(moved.count("blocks.0.attn.qkv.bias"), 1u);
  EXPECT_EQ(moved.count("patch_embed.proj.bias"), 1u);
  for (const auto& name : moved)
    EXPECT_TRUE(name == "cls_token" || name.ends_with("bias") ||
                name.find("norm") != std::string::npos)
        << name;
  const State state = toy.state();
  for (const char* key :
       {"lora.blocks.0.qkv.b", "lora.blocks.1.qkv.b", "lora.blocks.0.fc1.b", "lora.blocks.1.fc2.b"})
    EXPECT_GT(state.at(key).abs().max().item<double>(), 0) << key;
  toy.begin();
  EXPECT_EQ(toy.learner->trainable()[0].lr_factor, 0.1);
  EXPECT_EQ(toy.learner->trainable()[2].lr_factor, 0.1);
}

// v is a right singular vector of W where WᵀW v = |W v|² v; the first ones have the largest |W v|.
TEST(SlcaPlusPlus, ItsLoraBeginsAtTheWeightsSingularVectors) {
  ToyLearning toy("slcapp", "", kSlowTraining);
  const State state = toy.state();
  std::map<std::string, Tensor> weights;
  for (const auto& item : nn::tensors(*toy.vit)) weights[item.name] = item.tensor;
  for (const auto& [product, weight] : {std::pair{"blocks.0.qkv", "blocks.0.attn.qkv.weight"},
                                        {"blocks.1.qkv", "blocks.1.attn.qkv.weight"},
                                        {"blocks.1.fc1", "blocks.1.mlp.fc1.weight"},
                                        {"blocks.0.fc2", "blocks.0.mlp.fc2.weight"}}) {
    const Tensor w = weights.at(weight).to(at::kDouble);
    const Tensor a = state.at(fmt::format("lora.{}.a", product)).to(at::kDouble);
    const Tensor b = state.at(fmt::format("lora.{}.b", product));
    ASSERT_EQ(a.sizes(), at::IntArrayRef({4, w.size(1)})) << product;
    EXPECT_TRUE(at::equal(b, at::zeros({w.size(0), 4}))) << product;
    EXPECT_LT(relative_error(at::matmul(a, a.t()), at::eye(4)), 1e-5) << product;
    const Tensor square = at::matmul(w.t(), w);
    double largest = 1e9, all = 0;
    for (int64_t i = 0; i < 4; ++i) {
      const double sigma = at::matmul(w, a[i]).square().sum().item<double>();
      EXPECT_LT(relative_error(at::matmul(square, a[i]), sigma * a[i]), 1e-4) << product << i;
      EXPECT_LE(sigma, largest * (1 + 1e-6));
      largest = sigma;
      all += sigma;
    }
    // No other directions explain more: the squares of all singular values sum to |W|².
    const Tensor rest = w - at::matmul(at::matmul(w, a.t()), a);
    for (uint64_t seed = 1; seed < 20; ++seed) {
      Tensor other =
          at::matmul(rest.t(), at::matmul(rest, random_tensor({w.size(1)}, seed).to(at::kDouble)));
      other = other / at::linalg_vector_norm(other);
      EXPECT_LE(at::matmul(w, other).square().sum().item<double>(), largest * (1 + 1e-6));
    }
    EXPECT_NEAR(rest.square().sum().item<double>() + all, w.square().sum().item<double>(), 1e-4);
  }
}

TEST(SlcaPlusPlus, OlderHeadsReadLargerFeatures) {
  ToyLearning toy("slcapp", "drift = 0.5", kSlowTraining);
  toy.learn();
  toy.learn();
  const State state = toy.state();
  Random random = Seeds(1)("other");
  adapt::Lora lora({.rank = 4, .alpha = 3.2, .parts = "qkv", .mlp = true, .joint = true},
                   toy.vit->block(), toy.vit->layers(), random);
  for (auto& item : nn::tensors(lora)) item.tensor.detach().copy_(state.at("lora." + item.name));
  const Tensor f = toy.features({&lora});
  const Tensor wanted =
      at::cat({at::linear(1.5 * f, state.at("heads.weights.0"), state.at("heads.biases.0")),
               at::linear(f, state.at("heads.weights.1"), state.at("heads.biases.1"))},
              1);
  EXPECT_LT(relative_error(toy.scores(), wanted), 1e-5);
}

// Large steps, no alignment after the merge.
constexpr const char* kMerging = "backbone_lr_factor = 1.0\npart = 0.25\n[alignment]\nepochs = 0";

// After the first task, and after the second was trained and merged.
struct SecondTask {
  State first, trained, merged;
};
SecondTask second_task(ToyLearning& toy) {
  SecondTask states;
  toy.learn();
  states.first = toy.state();
  toy.begin();
  toy.fit();
  states.trained = toy.state();
  toy.end();
  states.merged = toy.state();
  return states;
}

TEST(Coma, AveragesWithThePreviousNetwork) {
  ToyLearning toy("coma", kMerging, kSlowTraining);
  const auto [first, trained, merged] = second_task(toy);
  for (const auto& [key, tensor] : merged) {
    if (!key.starts_with("backbone.")) continue;
    const Tensor wanted = 0.75 * first.at(key) + 0.25 * trained.at(key);
    EXPECT_LT(relative_error(tensor, wanted), 1e-6) << key;
  }
  EXPECT_FALSE(same(merged, trained, "backbone.pos_embed"));
  EXPECT_TRUE(same(merged, trained, "heads.weights.1")) << "the new head is copied";
  EXPECT_TRUE(same(merged, trained, "heads.biases.1"));
}

TEST(Coma, TakesThePreviousNetworkWithAlignedHeads) {
  ToyLearning toy("coma", "", kSlowTraining);
  toy.learn();
  toy.learn();
  const State state = toy.state();
  EXPECT_FALSE(at::equal(state.at("heads.weights.0"), state.at("trained.weights.0")));
  const auto first_head = std::to_string(nn::tensors(*toy.vit).size());
  EXPECT_TRUE(at::equal(state.at("previous." + first_head), state.at("heads.weights.0")));
}

TEST(Cofima, WeighsByTheInformationOfBothTasks) {
  ToyLearning toy("cofima", kMerging, kSlowTraining);
  const auto [first, trained, merged] = second_task(toy);
  const auto tensors = nn::tensors(*toy.vit);
  double moved = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string key = "backbone." + tensors[i].name;
    const std::string fisher = "fisher." + std::to_string(i);
    const Tensor before = 0.75 * first.at(fisher).to(at::kDouble);
    const Tensor now = 0.25 * merged.at(fisher).to(at::kDouble);
    EXPECT_LE(merged.at(fisher).max().item<double>(), 1e-4f) << key;
    const Tensor weighed = (before * first.at(key) + now * trained.at(key)) / (before + now);
    const Tensor mean = 0.75 * first.at(key) + 0.25 * trained.at(key);
    const Tensor wanted = at::where(before + now > 0, weighed, mean.to(at::kDouble));
    EXPECT_LT(relative_error(merged.at(key), wanted), 1e-5) << key;
    moved = std::max(moved, relative_error(wanted, mean));
  }
  EXPECT_GT(moved, 1e-4) << "no different from CoMA";
  EXPECT_TRUE(same(merged, trained, "heads.weights.1")) << "the new head is copied, not scaled";
  EXPECT_TRUE(same(merged, trained, "heads.biases.1"));
  EXPECT_FALSE(same(merged, trained, "heads.weights.0"));
  EXPECT_TRUE(at::equal(merged.at("trained.weights.0"), trained.at("heads.weights.0")))
      << "what comes back was merged";
}

}  // namespace
}  // namespace patina
