// ESN: the stage, compared with class attention written out for one sample; its loss; which tensors
// a later task changes; how votes become scores.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/adapt/prompt.h"
#include "patina/learn/adapted.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

constexpr int64_t kWidth = kTinyViT.width, kHeads = kTinyViT.heads;
const TrainingOptions kEsnTraining{.epochs = 2, .batch_size = 8, .optimizer = {.lr = 0.05}};
const std::string kFewPrompts = "prompts = 4";

using State = std::map<std::string, Tensor>;

Tensor normal(const Tensor& x, const State& state, const std::string& name) {
  const Tensor mean = x.mean(-1, true), centred = x - mean;
  return centred / (centred.square().mean(-1, true) + 1e-5).sqrt() * state.at(name + ".weight") +
         state.at(name + ".bias");
}

Tensor linear(const Tensor& x, const State& state, const std::string& name) {
  return at::matmul(x, state.at(name + ".weight").t()) + state.at(name + ".bias");
}

/// Records the output of the last block.
struct Last : nn::Adaptation {
  Tensor rows;
  Tensor after(nn::Site site, int, const Tensor& in, Tensor out) override {
    if (site == nn::Site::norm) rows = in;
    return out;
  }
};

/// z_j of one image: u' = u + proj(softmax(q(s_0)·k(s)/√d) v(s)), u'' = u' + mlp(norm(u')), z =
/// head(u''), with s = norm([u; Z]).
Tensor stage(ToyLearning& toy, const State& state, int j, const Tensor& pixels) {
  NoGrad no_grad;
  Random random;
  adapt::Prompt prompt({.tokens = 4, .deep = false}, kWidth, kTinyViT.depth, 8, random);
  nn::tensors(prompt)[0].tensor.copy_(state.at("prompt.tokens"));
  Last last;
  toy.vit->tokens(pixels, {&prompt, &last});
  EXPECT_EQ(last.rows.sizes(), at::IntArrayRef({1, 4 + 5, kWidth}));
  const std::string at = fmt::format("stages.{}.", j), block = at + "block.";
  const Tensor u = state.at(at + "token")[0];  // [1,D]
  const Tensor s = normal(at::cat({u, last.rows[0]}), state, block + "norm1");
  const Tensor mixed = linear(s, state, block + "attn.qkv");
  std::vector<Tensor> heads;
  const int64_t d = kWidth / kHeads;
  for (int64_t h = 0; h < kHeads; ++h) {
    const auto part = [&](int64_t third) {
      return mixed.slice(1, third * kWidth + h * d, third * kWidth + (h + 1) * d);
    };
    const Tensor weights = at::softmax(at::matmul(part(1), part(0)[0]) / std::sqrt(double(d)), 0);
    heads.push_back(at::matmul(weights, part(2)));
  }
  const Tensor up = u + linear(at::cat(heads).unsqueeze(0), state, block + "attn.proj");
  const Tensor hidden =
      at::gelu(linear(normal(up, state, block + "norm2"), state, block + "mlp.fc1"));
  EXPECT_EQ(hidden.size(1), kWidth / 2);
  const Tensor out = up + linear(hidden, state, block + "mlp.fc2");
  return at::matmul(out, state.at(fmt::format("heads.weights.{}", j)).t()) +
         state.at(fmt::format("heads.biases.{}", j));
}

TEST(Esn, ScoresAreProbabilitiesWithinStagesAndOneMoreForTheVotedOne) {
  ToyLearning toy("esn", kFewPrompts, kEsnTraining);
  toy.learn(), toy.learn(), toy.learn();
  const State state = toy.state();
  toy.trainer.each_batch(toy.scenario.test(1), "scores", [&](const Batch& batch) {
    const Tensor scores = toy.learner->scores(batch);
    for (int64_t i = 0; i < batch.size(); ++i) {
      int voted = 0;
      for (int j = 0; j < 3; ++j) {
        const Tensor z = stage(toy, state, j, batch.input.slice(i, i + 1).pixels());
        const Tensor own = scores[i].slice(0, 2 * j, 2 * j + 2);
        const bool chosen = own.max().item<float>() > 1;
        voted += chosen;
        EXPECT_LT(relative_error(own - double(chosen), at::softmax(z[0], 0)), 1e-4);
      }
      EXPECT_EQ(voted, 1);
    }
  });
}

TEST(Esn, LossAnchorsTheEnergies) {
  ToyLearning toy("esn", kFewPrompts + "\nenergy = 0.3\nbeta = 2.0\nanchor = -4.0", kEsnTraining);
  toy.learn();
  toy.begin();
  const State state = toy.state();
  toy.trainer.each_batch(toy.scenario.test(1), "loss", [&](const Batch& batch) {
    double expected = 0;
    for (int64_t i = 0; i < batch.size(); ++i) {
      const Tensor z = stage(toy, state, 1, batch.input.slice(i, i + 1).pixels())[0];
      const double a = z[0].item<double>(), b = z[1].item<double>();
      const double energy = -std::log(std::exp(-2 * a) + std::exp(-2 * b)) / 2;
      const double own = batch.target[i].item<int64_t>() == 2 ? a : b;
      expected += std::log(std::exp(a) + std::exp(b)) - own + 0.3 * (energy + 4) * (energy + 4);
    }
    EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected / double(batch.size()), 1e-3);
  });
}

TEST(Esn, TrainsPromptsOnTheFirstTaskAndStagesOnTheirOwn) {
  ToyLearning toy("esn", kFewPrompts, kEsnTraining);
  toy.begin();
  const State fresh = toy.state();
  EXPECT_TRUE(at::equal(fresh.at("stages.0.token"), weight_of(*toy.vit, "cls_token")));
  toy.fit(), toy.end(), toy.begin();
  const State first = toy.state();
  toy.fit();
  const State second = toy.state();
  EXPECT_FALSE(at::equal(first.at("prompt.tokens"), fresh.at("prompt.tokens")));
  for (const auto& [key, tensor] : second) {
    const bool own =
        key.starts_with("stages.1.") || key == "heads.weights.1" || key == "heads.biases.1";
    EXPECT_EQ(at::equal(tensor, first.at(key)), !own) << key;
  }
  for (const auto& weight : nn::tensors(*toy.vit)) EXPECT_FALSE(weight.tensor.grad().defined());
}

}  // namespace
}  // namespace patina
