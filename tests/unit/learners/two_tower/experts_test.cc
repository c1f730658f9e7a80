// Experts beside the MLP, of which every sample takes its own, and what MoE-Adapters freezes.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "patina/adapt/experts.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

struct ToyExperts {
  explicit ToyExperts(adapt::ExpertOptions options = {
                          .experts = 3, .chosen = 2, .bottleneck = 2, .scale = 0.5}) {
    Random random = Seeds(1)("experts");
    experts = std::make_unique<adapt::ExpertAdapters>(options, 4, 1, random);
    NoGrad no_grad;
    for (auto& item : nn::tensors(*experts)) nn::init_normal(item.tensor, random, 0, 0.7);
  }
  std::unique_ptr<adapt::ExpertAdapters> experts;
};

Tensor by_hand(const adapt::ExpertAdapters& experts, const Tensor& x, const Tensor& z) {
  const auto& block = experts.blocks[0];
  const Tensor h = at::matmul(x, block.gate);
  const auto order = items_of(std::get<1>(at::sort(h, 0, true)));
  const double a = std::exp(h[order[0]].item<double>()), b = std::exp(h[order[1]].item<double>());
  Tensor sum = at::zeros_like(z);
  for (const auto& [e, w] : {std::pair{order[0], a / (a + b)}, std::pair{order[1], b / (a + b)}}) {
    const auto& [down, up] = block.experts[size_t(e)];
    const Tensor hidden = at::relu(at::matmul(z, down.weight.t()) + down.bias);
    sum = sum + (at::matmul(hidden, up.weight.t()) + up.bias) * (0.5 * w);
  }
  return sum;
}

TEST(Experts, AnImageIsRoutedByItsFirstTokenAndByItself) {
  ToyExperts toy;
  NoGrad no_grad;
  const Tensor z = random_tensor({5, 3, 4}, 6), out = random_tensor({5, 3, 4}, 7);
  adapt::RoutedExperts pass(*toy.experts);
  pass.after(nn::Site::embed, 0, random_tensor({5, 3, 8, 8}, 1), z);
  const Tensor together = pass.after(nn::Site::mlp, 0, z, out);
  std::set<int64_t> first;
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_LT(relative_error(together[i], out[i] + by_hand(*toy.experts, z[i][0], z[i])), 1e-5);
    first.insert(at::matmul(z[i][0], toy.experts->blocks[0].gate).argmax().item<int64_t>());
    adapt::RoutedExperts alone(*toy.experts);
    EXPECT_LT(relative_error(
                  alone.after(nn::Site::mlp, 0, z.slice(0, i, i + 1), out.slice(0, i, i + 1))[0],
                  together[i]),
              1e-6);
  }
  EXPECT_GT(first.size(), 1u) << "the samples choose different experts";
  EXPECT_EQ(pass.counts().sum().item<int64_t>(), 10);
}

// Its first token sees no word of a causal text: all texts would be routed alike.
TEST(Experts, ATextIsRoutedByItsEnd) {
  ToyExperts toy;
  NoGrad no_grad;
  const Tensor ids = tensor_of(std::vector<int64_t>{1, 9, 0, 0, 1, 2, 3, 9}).reshape({2, 4});
  const Tensor z = random_tensor({2, 4, 4}, 6), out = at::zeros({2, 4, 4});
  adapt::RoutedExperts pass(*toy.experts);
  pass.after(nn::Site::embed, 0, ids, z);
  const Tensor added = pass.after(nn::Site::mlp, 0, z, out);
  EXPECT_LT(relative_error(added[0], by_hand(*toy.experts, z[0][1], z[0])), 1e-5);
  EXPECT_LT(relative_error(added[1], by_hand(*toy.experts, z[1][3], z[1])), 1e-5);
  // Where an engine computes the token that is read alone, that is the end.
  const Tensor ends = at::stack({z[0].slice(0, 1, 2), z[1].slice(0, 3, 4)});
  EXPECT_LT(
      relative_error(pass.after(nn::Site::mlp, 0, ends, at::zeros({2, 1, 4}))[1][0], added[1][3]),
      1e-6);
}

TEST(Experts, NewOnesAddNothingAndNoiseIsForTraining) {
  Random random = Seeds(1)("experts"), noise = Seeds(2)("noise");
  adapt::ExpertAdapters fresh({.experts = 3, .chosen = 1, .bottleneck = 2}, 4, 1, random);
  NoGrad no_grad;
  const Tensor z = random_tensor({40, 2, 4}, 6), out = random_tensor({40, 2, 4}, 7);
  adapt::RoutedExperts plain(fresh), noisy(fresh, &noise);
  EXPECT_TRUE(at::equal(plain.after(nn::Site::mlp, 0, z, out), out));
  noisy.after(nn::Site::mlp, 0, z, out);
  EXPECT_EQ(plain.counts().max().item<int64_t>(), 40) << "a router that begins at zero";
  EXPECT_GT(noisy.counts().min().item<int64_t>(), 4) << "noise spreads the samples";
}

// Its router begins at zero, where the gradient of log(1 + e^x) is a half and not nothing.
TEST(Experts, NoiseIsLearnedFromItsBeginning) {
  ToyExperts toy;
  {
    NoGrad no_grad;
    toy.experts->blocks[0].noise.zero_();
  }
  Random noise = Seeds(2)("noise");
  const Tensor z = random_tensor({6, 2, 4}, 6);
  adapt::RoutedExperts pass(*toy.experts, &noise);
  pass.after(nn::Site::mlp, 0, z, at::zeros({6, 2, 4})).square().sum().backward();
  EXPECT_GT(toy.experts->blocks[0].noise.grad().abs().max().item<float>(), 1e-3);
  EXPECT_GT(toy.experts->blocks[0].gate.grad().abs().max().item<float>(), 1e-3);
}

TEST(MoeAdapters, FreezesTheExpertsThatATaskUsedMost) {
  TowerCourse course("moe_adapters", {"learner.experts=5"});
  course.learn();
  const auto first = course.state();
  course.learn();
  const auto second = course.state();
  int64_t kept = 0, moved = 0;
  for (const auto& [key, tensor] : first) {
    if (!key.ends_with("down.weight")) continue;
    (at::equal(tensor, second.at(key)) ? kept : moved) += 1;
  }
  EXPECT_GE(kept, 8) << "two in each of two blocks of two towers";
  EXPECT_GT(moved, 0);
}

}  // namespace
}  // namespace patina
