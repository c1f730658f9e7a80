// The prompt methods, compared with their papers' formulas, which are computed sample by sample
// from the learner's state; which tensors a task may change; the effects of the compat options.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "patina/adapt/per_sample.h"
#include "patina/adapt/prefix.h"
#include "patina/adapt/prompt.h"
#include "patina/base/json.h"
#include "patina/data/sample_access.h"
#include "patina/learn/adapted.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "tests/support/shared.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

constexpr int64_t kWidth = kTinyViT.width;
const TrainingOptions kPromptsTraining{
    .epochs = 2,
    .batch_size = 8,
    .optimizer = {.optimizer = "adam", .lr = 0.05, .weight_decay = 0.1}};

using State = std::map<std::string, Tensor>;

/// All test samples of the tasks so far as one batch.
Batch test_batch(ToyLearning& toy) {
  std::vector<Tensor> pixels, targets;
  for (int t = 0; t <= toy.task->index; ++t)
    toy.trainer.each_batch(toy.scenario.test(t), "batch", [&](const Batch& batch) {
      pixels.push_back(batch.input.pixels());
      targets.push_back(batch.target);
    });
  const Tensor all = at::cat(targets);
  return SampleAccess::batch(at::cat(pixels), all, at::arange(all.size(0)));
}

/// The rows of a list in the state ("keys.parts" and the like), concatenated.
Tensor joined(const State& state, const std::string& list) {
  std::vector<Tensor> parts;
  for (int i = 0; state.contains(fmt::format("{}.{}", list, i)); ++i)
    parts.push_back(state.at(fmt::format("{}.{}", list, i)));
  return at::cat(parts);
}

double cosine(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  return (x * y).sum().item<double>() /
         std::sqrt(x.square().sum().item<double>() * y.square().sum().item<double>());
}

/// The `count` keys with the largest cosines, best first.
std::vector<int64_t> best_keys(const Tensor& query, const Tensor& keys, int64_t count) {
  std::vector<int64_t> order(size_t(keys.size(0)));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, std::greater(), [&](int64_t m) { return cosine(query, keys[m]); });
  order.resize(size_t(count));
  return order;
}

/// scores = head(features(sample)), sample by sample.
Tensor each_alone(ToyLearning& toy, const std::function<Tensor(const Tensor& pixels)>& features) {
  NoGrad no_grad;
  const State state = toy.state();
  const Tensor pixels = test_batch(toy).input.pixels();
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < pixels.size(0); ++i)
    rows.push_back(
        at::matmul(features(pixels.slice(0, i, i + 1)), joined(state, "heads.weights").t()) +
        joined(state, "heads.biases"));
  return at::cat(rows);
}

// ---- what all share

TEST(PromptMethods, LossIsCrossEntropyWithEarlierClassesAtMinusInfinity) {
  for (const char* name : {"vpt", "coda_prompt", "heads"}) {  // no penalty, one pass for both
    ToyLearning toy(name, "", kPromptsTraining);
    toy.learn();
    toy.begin();
    Batch batch = test_batch(toy);
    const Tensor rows = (batch.target >= 2).nonzero().squeeze(1);
    batch = SampleAccess::batch(batch.input.at(rows), batch.target.index_select(0, rows), rows);
    Tensor scores = toy.learner->scores(batch).clone();
    scores.slice(1, 0, 2).fill_(-std::numeric_limits<float>::infinity());
    const Tensor expected = nn::cross_entropy(scores, batch.target);
    EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected.item<double>(), 1e-5) << name;
  }
}

TEST(PromptMethods, LeaveWhatBelongsToEarlierTasksAlone) {
  for (const char* name : {"vpt", "l2p", "dualprompt", "coda_prompt", "l2p_deep", "dap", "heads"}) {
    ToyLearning toy(name, name == std::string("dualprompt") ? "expert_layers = [1]" : "",
                    kPromptsTraining);
    toy.learn();
    toy.begin();
    const State before = toy.state();
    toy.fit();
    int kept = 0, moved = 0;
    for (const auto& [key, tensor] : toy.state()) {
      const bool lists = key.find("parts.") != std::string::npos || key.starts_with("heads.");
      if (!lists) continue;
      const bool old = key.ends_with(".0");
      EXPECT_EQ(at::equal(tensor, before.at(key)), old) << name << " " << key;
      (old ? kept : moved) += 1;
    }
    EXPECT_GE(kept, 2) << name;
    EXPECT_EQ(kept, moved) << name;
    for (const auto& weight : nn::tensors(*toy.vit)) EXPECT_FALSE(weight.tensor.grad().defined());
  }
}

TEST(PromptMethods, SayHowOftenEachEntryWasChosen) {
  for (const auto& [name, choices] :
       {std::pair{"l2p", 4}, {"dualprompt", 1}, {"dap", 1}, {"l2p_deep", 10}, {"coda_prompt", 2}}) {
    ToyLearning toy(name);
    toy.learn();
    EXPECT_TRUE(toy.learner->diagnostics().is_null()) << "training does not count";
    toy.scores();
    const auto histogram = toy.learner->diagnostics()["histogram"].get<std::vector<int64_t>>();
    EXPECT_EQ(std::accumulate(histogram.begin(), histogram.end(), int64_t{0}), 8 * choices) << name;
    toy.begin();
    EXPECT_TRUE(toy.learner->diagnostics().is_null()) << name;
  }
  ToyLearning toy("vpt");
  toy.learn();
  toy.scores();
  EXPECT_TRUE(toy.learner->diagnostics().is_null());
}

// ---- heads alone

TEST(HeadsAlone, ReadTheFrozenFeaturesAndKeepNothingElse) {
  ToyLearning toy("heads", "", kPromptsTraining);
  const auto before = copied(nn::tensors(*toy.vit));
  toy.learn(), toy.learn();
  const Tensor expected =
      each_alone(toy, [&](const Tensor& pixels) { return toy.vit->features(pixels); });
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
  for (const auto& [key, tensor] : toy.state()) EXPECT_TRUE(key.starts_with("heads.")) << key;
  const auto after = nn::tensors(*toy.vit);
  for (size_t i = 0; i < after.size(); ++i)
    EXPECT_TRUE(at::equal(after[i].tensor, before[i])) << after[i].name;
}

// ---- L2P

TEST(L2p, ReadsTheMeanOfTheChosenPromptsOutputs) {
  ToyLearning toy("l2p", "pool = 5\nlength = 2\nchosen = 3", kPromptsTraining);
  toy.learn(), toy.learn();
  const State state = toy.state();
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    std::vector<Tensor> rows;
    for (const int64_t m : best_keys(toy.vit->features(pixels)[0], state.at("keys"), 3))
      rows.push_back(state.at("prompts")[m]);
    adapt::SamplePrompt prompt(at::cat(rows).unsqueeze(0));
    return toy.vit->tokens(pixels, {&prompt}).slice(1, 1, 7).mean(1);
  });
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
}

// Blocks that return their input: the final norm reads the rows that entered the first block.
TEST(L2p, AddsPositionsToPromptsOnlyWhenAskedTo) {
  for (const std::string compat : {"paper", "pilot"}) {
    ToyLearning toy("l2p", "pool = 2\nlength = 3\nchosen = 2\ncompat = \"" + compat + "\"");
    NoGrad no_grad;
    for (const auto& item : nn::tensors(*toy.vit))
      if (item.name.find("attn.proj") != std::string::npos ||
          item.name.find("mlp.fc2") != std::string::npos)
        item.tensor.detach().zero_();
    toy.begin();
    auto trained = toy.learner->trainable()[0].tensors;  // prompts, keys, the head
    trained[0].copy_(0.01 * random_tensor(trained[0].sizes().vec(), 1).sign());
    trained[2].copy_(random_tensor(trained[2].sizes().vec(), 2));
    Tensor rows = trained[0].flatten(0, 1);
    if (compat == "pilot") rows = rows + weight_of(*toy.vit, "pos_embed")[0][0];
    const Tensor normed = at::layer_norm(rows, {kWidth}, weight_of(*toy.vit, "norm.weight"),
                                         weight_of(*toy.vit, "norm.bias"), /*eps=*/1e-6);
    const Tensor expected = at::matmul(normed.mean(0, true), trained[2].t());
    const Tensor scores = toy.scores();
    EXPECT_LT(relative_error(scores, expected.expand_as(scores)), 1e-5) << compat;
  }
}

TEST(L2p, LossPullsTheChosenKeys) {
  double losses[2];
  Tensor keys, features;
  for (const int pull : {0, 1}) {
    ToyLearning toy("l2p", fmt::format("pool = 5\nchosen = 2\npull = {}.0", pull));
    toy.begin();
    losses[pull] = toy.learner->loss(test_batch(toy), {}).item<double>();
    keys = toy.state().at("keys"), features = toy.vit->features(test_batch(toy).input);
  }
  double sum = 0;
  for (int64_t i = 0; i < features.size(0); ++i)
    for (const int64_t m : best_keys(features[i], keys, 2)) sum += cosine(features[i], keys[m]);
  EXPECT_NEAR(losses[1] - losses[0], -sum / double(features.size(0)), 1e-5);
}

TEST(L2p, ChoosesForTheBatchOnlyWhenAskedTo) {
  ToyLearning toy("l2p", "pool = 6\nlength = 2\nchosen = 2\ncompat = \"pilot\"", kPromptsTraining);
  toy.learn(), toy.learn();
  const State state = toy.state();
  const Batch batch = test_batch(toy);
  const Tensor queries = toy.vit->features(batch.input);
  std::vector<int64_t> counts(6), order = {0, 1, 2, 3, 4, 5};
  for (int64_t i = 0; i < queries.size(0); ++i)
    for (const int64_t m : best_keys(queries[i], state.at("keys"), 2)) ++counts[size_t(m)];
  std::ranges::stable_sort(order, std::greater(), [&](int64_t m) { return counts[size_t(m)]; });
  const Tensor position = weight_of(*toy.vit, "pos_embed")[0][0];
  adapt::SamplePrompt prompt(
      (at::cat({state.at("prompts")[order[0]], state.at("prompts")[order[1]]}) + position)
          .unsqueeze(0));
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    return toy.vit->tokens(pixels, {&prompt}).slice(1, 1, 5).mean(1);
  });
  EXPECT_LT(relative_error(toy.learner->scores(batch), expected), 1e-5);
}

// ---- DualPrompt

const std::string kDual = "general_layers = [0]\nexpert_layers = [1]\nexpert_length = 3\n";

/// The general prefixes of a state.
std::unique_ptr<adapt::Prefix> general(const State& state) {
  Random random;
  auto prefix = std::make_unique<adapt::Prefix>(adapt::PrefixOptions{.length = 5, .layers = {0}},
                                                kTinyViT.block(), kTinyViT.depth, random);
  NoGrad no_grad;
  for (auto& item : nn::tensors(*prefix)) item.tensor.copy_(state.at("general." + item.name));
  return prefix;
}

TEST(DualPrompt, BeginsATasksExpertWhereTheOneBeforeEnded) {
  ToyLearning toy("dualprompt", kDual, kPromptsTraining);
  toy.begin();
  const Tensor first = toy.state().at("experts.parts.0");
  toy.fit(), toy.end();
  toy.begin();
  const State state = toy.state();
  EXPECT_FALSE(at::equal(state.at("experts.parts.0"), first));
  EXPECT_TRUE(at::equal(state.at("experts.parts.1"), state.at("experts.parts.0")));
  EXPECT_FALSE(at::equal(state.at("keys.parts.1"), state.at("keys.parts.0")));
}

TEST(DualPrompt, GivesEachSampleItsExpertsKeysAndValues) {
  ToyLearning toy("dualprompt", kDual, kPromptsTraining);
  toy.learn(), toy.learn(), toy.learn();
  const State state = toy.state();
  const auto shared = general(state);
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    const Tensor keys = joined(state, "keys.parts");
    const int64_t task = best_keys(toy.vit->features(pixels)[0], keys, 1)[0];
    const Tensor own = state.at(fmt::format("experts.parts.{}", task))[0][0];  // [2,length,D]
    adapt::SamplePrefix expert;
    expert.set(1, own.slice(0, 0, 1), own.slice(0, 1, 2));
    return toy.vit->features(pixels, {shared.get(), &expert});
  });
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
}

// The defect that the compat option reproduces: in a batch of one task, samples of the first half
// use the expert's keys as keys and values, those of the second half its values.
TEST(DualPrompt, MixesKeysAndValuesUpOnlyWhenAskedTo) {
  ToyLearning toy("dualprompt", kDual + "compat = \"pilot\"", kPromptsTraining);
  toy.learn();
  const State state = toy.state();
  const auto shared = general(state);
  int64_t sample = 0;
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    const Tensor own = state.at("experts.parts.0")[0][0];
    const int64_t half = sample++ < 4 ? 0 : 1;
    adapt::SamplePrefix expert;
    expert.set(1, own.slice(0, half, half + 1), own.slice(0, half, half + 1));
    return toy.vit->features(pixels, {shared.get(), &expert});
  });
  ASSERT_EQ(sample, 8);
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
}

// ---- CODA-Prompt

TEST(CodaPrompt, AddsComponentsOrthogonalToAllBefore) {
  ToyLearning toy("coda_prompt", "components = 5\nlength = 2", kPromptsTraining);
  toy.learn();
  toy.begin();
  const State state = toy.state();
  for (const char* block : {"blocks.0", "blocks.1"})
    for (const char* part : {"prompts", "keys", "attentions"}) {
      const Tensor before = state.at(fmt::format("{}.{}.parts.0", block, part)),
                   fresh = state.at(fmt::format("{}.{}.parts.1", block, part));
      EXPECT_EQ(fresh.size(0), 5);
      EXPECT_LT(relative_error(at::matmul(fresh, fresh.t()), at::eye(5)), 1e-5);
      // Training has changed the earlier ones, so they are no longer orthogonal to each other.
      EXPECT_GT(relative_error(at::matmul(before, before.t()), at::eye(5)), 1e-2);
      EXPECT_LT(at::matmul(fresh, before.t()).abs().max().item<double>(), 1e-5);
      EXPECT_FALSE(state.contains(fmt::format("{}.{}.parts.2", block, part)));
    }
}

TEST(CodaPrompt, WeightsComponentsByAttention) {
  ToyLearning toy("coda_prompt", "components = 4\nlength = 6", kPromptsTraining);
  toy.learn(), toy.learn();
  const State state = toy.state();
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    const Tensor query = toy.vit->features(pixels)[0];
    adapt::SamplePrefix prefix;
    for (const int64_t block : {0, 1}) {
      const auto rows = [&](const char* part) {
        return joined(state, fmt::format("blocks.{}.{}.parts", block, part));
      };
      Tensor sum = at::zeros({6, kWidth});
      for (int64_t k = 0; k < 8; ++k)
        sum = sum + cosine(query * rows("attentions")[k], rows("keys")[k]) *
                        rows("prompts")[k].reshape({6, kWidth});
      prefix.set(block, sum.slice(0, 0, 3).unsqueeze(0), sum.slice(0, 3).unsqueeze(0));
    }
    return toy.vit->features(pixels, {&prefix});
  });
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
}

// ---- L2P++

TEST(L2pDeep, TakesTheNearestPrefixesOfEachBlock) {
  ToyLearning toy("l2p_deep", "pool = 6\nlength = 4\nchosen = 2", kPromptsTraining);
  toy.learn(), toy.learn();
  const State state = toy.state();
  const Tensor expected = each_alone(toy, [&](const Tensor& pixels) {
    const Tensor query = toy.vit->features(pixels)[0];
    adapt::SamplePrefix prefix;
    for (const int64_t block : {0, 1}) {
      std::vector<Tensor> keys, values;
      for (const int64_t m : best_keys(query, state.at(fmt::format("keys.{}", block)), 2)) {
        const Tensor own = state.at(fmt::format("prefixes.{}", block))[m];
        keys.push_back(own.slice(0, 0, 2)), values.push_back(own.slice(0, 2));
      }
      prefix.set(block, at::cat(keys).unsqueeze(0), at::cat(values).unsqueeze(0));
    }
    return toy.vit->features(pixels, {&prefix});
  });
  const Batch batch = test_batch(toy);
  EXPECT_LT(relative_error(toy.learner->scores(batch), expected), 1e-5);
  // The key loss: the loss of a batch of the newest task minus its cross-entropy.
  double distance = 0;
  const Batch fresh = batch.slice(8, 16);
  const Tensor queries = toy.vit->features(fresh.input);
  for (int64_t i = 0; i < 8; ++i)
    for (const int64_t block : {0, 1}) {
      const Tensor keys = state.at(fmt::format("keys.{}", block));
      for (const int64_t m : best_keys(queries[i], keys, 2))
        distance += 1 - cosine(queries[i], keys[m]);
    }
  const Tensor error = nn::cross_entropy(expected.slice(0, 8, 16).slice(1, 2), fresh.target - 2);
  EXPECT_NEAR(toy.learner->loss(fresh, {}).item<double>(), error.item<double>() + distance / 8,
              1e-4);
}

// ---- DAP

// A fresh W_down is zero: prompts are β at length one, and deep prompts can be set to that.
TEST(Dap, BeginsWithTheOffsetAlone) {
  ToyLearning toy("dap", "length = 3");
  toy.begin();
  const State state = toy.state();
  Random random;
  adapt::Prompt prompt({.tokens = 3, .deep = true}, kWidth, kTinyViT.depth, 8, random);
  NoGrad no_grad;
  for (int64_t block = 0; block < kTinyViT.depth; ++block) {
    const auto part = [&](const char* name) {
      return state.at(fmt::format("generator.blocks.{}.{}", block, name));
    };
    EXPECT_EQ(part("down.weight").abs().max().item<float>(), 0);
    const Tensor film =
        at::matmul(part("film.weight"), state.at("embeddings.parts.0")[0]) + part("film.bias");
    const Tensor beta = film.slice(0, kWidth);
    nn::tensors(prompt)[0].tensor[block].copy_(beta / beta.square().sum().sqrt());
  }
  const Tensor expected =
      each_alone(toy, [&](const Tensor& pixels) { return toy.vit->features(pixels, {&prompt}); });
  EXPECT_LT(relative_error(toy.learner->scores(test_batch(toy)), expected), 1e-5);
}

TEST(Dap, TrainsItsDownsamplingOnTheFirstTaskOnly) {
  ToyLearning toy("dap", "", kPromptsTraining);
  toy.begin();
  const State fresh = toy.state();
  toy.fit(), toy.end(), toy.begin();
  const State first = toy.state();
  toy.fit();
  const State second = toy.state();
  for (const char* name : {"down.weight", "down.bias", "film.weight", "norm.weight"}) {
    const std::string key = std::string("generator.blocks.1.") + name;
    EXPECT_FALSE(at::equal(first.at(key), fresh.at(key))) << key;
    EXPECT_EQ(at::equal(second.at(key), first.at(key)), key.find("down") != std::string::npos)
        << key;
  }
}

// The authors use one optimizer for the whole stream: AMSGrad's maxima of the first task slow down
// the second. A run that is stopped between them continues with the same bits.
TEST(Dap, KeepsItsOptimizerForTheStream) {
  const TrainingOptions training{
      .epochs = 3,
      .batch_size = 8,
      .optimizer = {.optimizer = "adam", .lr = 0.02, .beta2 = 0.9, .amsgrad = true}};
  ToyLearning whole("dap", "", training), resumed("dap", "", training),
      apart("dap", "one_optimizer = false", training);
  const auto learn = [](ToyLearning& toy) {
    toy.task = *toy.stream.next();
    toy.trainer.learn(*toy.learner, *toy.task, toy.scenario.grant());
  };
  const auto equal = [](ToyLearning& a, ToyLearning& b) {
    const State one = a.state(), other = b.state();
    return std::ranges::all_of(
        one, [&](const auto& item) { return at::equal(item.second, other.at(item.first)); });
  };
  learn(whole), learn(apart);
  EXPECT_TRUE(equal(whole, apart));
  const auto path = scratch_folder("dap") / "state";
  {
    Archive archive;
    archive("learner", *whole.learner);
    archive("trainer", whole.trainer);
    archive.write(path);
  }
  (void)resumed.stream.next();
  Archive archive = Archive::read(path);
  archive("learner", *resumed.learner);
  archive("trainer", resumed.trainer);
  for (int task = 1; task < 3; ++task) {
    for (auto* toy : {&whole, &apart, &resumed}) learn(*toy);
    EXPECT_FALSE(equal(whole, apart)) << task;
    EXPECT_TRUE(equal(whole, resumed)) << task;
  }
}

TEST(Dap, CanRuleOutOtherTasksClasses) {
  ToyLearning open("dap", "", kPromptsTraining),
      closed("dap", "within_task = true", kPromptsTraining);
  for (auto* toy : {&open, &closed}) toy->learn(), toy->learn();
  const Batch batch = test_batch(open);
  const Tensor scores = open.learner->scores(batch), within = closed.learner->scores(batch);
  const Tensor keys = joined(open.state(), "keys.parts"), queries = open.vit->features(batch.input);
  for (int64_t i = 0; i < scores.size(0); ++i) {
    const int64_t task = best_keys(queries[i], keys, 1)[0];
    EXPECT_TRUE(at::equal(within[i].slice(0, 2 * task, 2 * task + 2),
                          scores[i].slice(0, 2 * task, 2 * task + 2)));
    EXPECT_LT(within[i].slice(0, 2 - 2 * task, 4 - 2 * task).max().item<double>(), -1e9);
  }
}

}  // namespace
}  // namespace patina
