// Layers, heads and losses on numbers small enough to check by hand; walks and what they count.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/nn/block.h"
#include "patina/nn/dropout.h"
#include "patina/nn/heads.h"
#include "patina/nn/input.h"
#include "patina/nn/losses.h"
#include "patina/nn/pass.h"
#include "patina/nn/tensors_hash.h"
#include "tests/support/tensors.h"

namespace patina::nn {
namespace {

TEST(Walk, NamesTensorsAsTheirCheckpointDoes) {
  Block with(BlockShape{.width = 4, .heads = 2, .hidden = 8, .layer_scale = true});
  std::vector<std::string> names;
  for (const auto& item : tensors(with)) names.push_back(item.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias",
                "attn.proj.weight", "attn.proj.bias", "ls1.gamma", "norm2.weight", "norm2.bias",
                "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias", "ls2.gamma"}));
  Block without(BlockShape{.width = 4, .heads = 2, .hidden = 8, .qkv_bias = false});
  EXPECT_EQ(tensors(without).size(), 11u);
  // 4 x 4 norms' + 12*4 + 4*4 + 4 attention's + 8*4 + 8 + 4*8 + 4 the MLP's
  EXPECT_EQ(count(tensors(without)), 16 + 48 + 20 + 40 + 36);
  EXPECT_EQ(bytes(tensors(without)), 4 * 160);
}

TEST(TensorsHash, IsMadeAgainOnlyWhenATensorChanged) {
  Linear linear(3, 2);
  TensorsHash hash;
  int made = 0;
  const auto ask = [&](TensorsHash& hash) {
    return hash(tensors(linear), [&] { return std::to_string(++made); });
  };
  EXPECT_EQ(ask(hash), "1");
  EXPECT_EQ(ask(hash), "1");
  linear.weight.detach().mul_(2);
  EXPECT_EQ(ask(hash), "2");
  EXPECT_EQ(ask(hash), "2");
  linear.bias = linear.bias.clone();
  EXPECT_EQ(ask(hash), "3");
  TensorsHash copy = hash;
  EXPECT_EQ(ask(copy), "4");
}

TEST(Freeze, SwitchesEveryTensor) {
  Linear linear(3, 2);
  EXPECT_TRUE(trainable(linear).empty());
  freeze(linear, false);
  EXPECT_EQ(trainable(linear).size(), 2u);
  freeze(linear);
  EXPECT_TRUE(trainable(linear).empty());
}

// Six buckets on each side for distances up to 16: those up to 3 have their own, and 3 +
// ceil(2 log(d/3) / log(15/3)) is that of a farther one: 4 up to 6, 5 up to 15, then the last.
TEST(Distances, FarOnesShareBuckets) {
  const Distances distances{.weight = at::zeros({12, 2}), .buckets = 6, .furthest = 16};
  const Tensor query = at::full({1, 1}, 20, at::kLong), keys = at::arange(3, 41, at::kLong);
  std::vector<int64_t> expected;  // from distance 17 to -20
  for (int64_t d = 17; d >= -20; --d) {
    const int64_t far = std::abs(d), bucket = far <= 3 ? far : far <= 6 ? 4 : far <= 15 ? 5 : 6;
    expected.push_back(std::min<int64_t>(6 + (d < 0 ? -bucket : bucket), 11));
  }
  EXPECT_EQ(items_of(distances.places(query, keys.unsqueeze(0)).flatten()), expected);
}

TEST(Distances, WithoutBucketsTheFurthestIsTheLastRow) {
  const Distances distances{.weight = at::zeros({6, 2}), .furthest = 3};
  const Tensor places = distances.places(tensor_of(std::vector<int64_t>{0, 4}).unsqueeze(0),
                                         tensor_of(std::vector<int64_t>{0, 1, 9}).unsqueeze(0));
  EXPECT_EQ(items_of(places.flatten()), (std::vector<int64_t>{3, 2, 0, 5, 5, 0}));
}

TEST(Norm, NormalisesTheLastDimension) {
  Norm norm(4, 0.25);
  norm.weight.copy_(float_tensor({1, 2, 1, 1}));
  norm.bias.copy_(float_tensor({0, 1, 0, 0}));
  // mean 3, variance 2; 1 / sqrt(2.25) = 2/3
  const Tensor y = norm(float_tensor({1, 3, 5, 3}).reshape({1, 4}));
  EXPECT_LT(relative_error(y, float_tensor({-4.f / 3, 1, 4.f / 3, 0}).reshape({1, 4})), 1e-6);
}

TEST(Init, TruncatedNormalStaysWithinTwoDeviations) {
  Random random = Seeds(1)("init");
  Tensor t = at::empty({20000});
  init_truncated_normal(t, random, 0.02);
  EXPECT_LE(t.abs().max().item<float>(), 0.04f);
  EXPECT_GT(t.abs().max().item<float>(), 0.039f);
  // The variance of a normal cut at two deviations: 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.7737
  EXPECT_NEAR(t.square().mean().item<double>() / 4e-4, 0.7737, 0.015);
}

TEST(LinearHead, GrowsWithoutTouchingOldRows) {
  Random random = Seeds(1)("head");
  LinearHead head;
  EXPECT_EQ(head.classes(), 0);
  head.grow(3, 16, random);
  EXPECT_EQ(head.weight.sizes(), at::IntArrayRef({3, 16}));
  EXPECT_LE(head.weight.abs().max().item<float>(), 0.25f);
  {
    NoGrad no_grad;
    head.bias.fill_(2);
  }
  const Tensor before = head.weight.detach().clone();
  head.grow(5, 16, random);
  EXPECT_EQ(head.classes(), 5);
  EXPECT_TRUE(at::equal(head.weight.slice(0, 0, 3), before));
  EXPECT_TRUE(at::equal(head.bias.detach(), float_tensor({2, 2, 2, 0, 0})));
  EXPECT_TRUE(head.weight.requires_grad() && head.bias.requires_grad());
  head.grow(4, 16, random);
  EXPECT_EQ(head.classes(), 5);
}

TEST(CosineScores, AreCosines) {
  const Tensor features = float_tensor({3, 4, 0, 0}).reshape({2, 2});
  const Tensor prototypes = float_tensor({1, 0, 0, -2, 6, 8}).reshape({3, 2});
  EXPECT_LT(relative_error(cosine_scores(features, prototypes),
                           float_tensor({0.6f, -0.8f, 1, 0, 0, 0}).reshape({2, 3})),
            1e-6);
}

TEST(CrossEntropy, MatchesTheFormula) {
  const Tensor scores = float_tensor({1, 2, 3, 0, 0, 0}).reshape({2, 3});
  const Tensor target = tensor_of(std::vector<int64_t>{2, 0});
  const double z = std::log(std::exp(1.) + std::exp(2.) + std::exp(3.)), flat = std::log(3.);
  EXPECT_NEAR(cross_entropy(scores, target).item<double>(), (z - 3 + flat) / 2, 1e-6);
  // Smoothed target: 0.9 on the class, 0.1 / 3 on every class.
  const double even = (z - 2 + flat) / 2;
  EXPECT_NEAR(cross_entropy(scores, target, 0.1).item<double>(),
              0.9 * (z - 3 + flat) / 2 + 0.1 * even, 1e-6);
}

TEST(Dropout, DropsThatPartAndKeepsTheMean) {
  const Tensor x = at::ones({100, 100});
  const Dropping dropping(Seeds(1)("dropout"));
  const Tensor left = dropout(x, 0.2);
  EXPECT_NEAR((left == 0).to(at::kFloat).mean().item<float>(), 0.2, 0.02);
  EXPECT_NEAR(left.max().item<float>(), 1.25, 1e-6);
  EXPECT_FALSE(at::equal(dropout(x, 0.2), left)) << "every layer draws anew";
}

TEST(Dropout, IsOfTrainingStepsAlone) {
  const Tensor x = at::ones({4, 4});
  EXPECT_TRUE(dropout(x, 0.9).is_same(x));
  const auto first = [&] {
    const Dropping dropping(Seeds(2)("dropout", 3));
    {
      NoGrad no_grad;
      EXPECT_TRUE(dropout(x, 0.9).is_same(x));
    }
    return dropout(x, 0.5);
  };
  EXPECT_TRUE(at::equal(first(), first()));
  EXPECT_TRUE(dropout(x, 0.9).is_same(x));
}

TEST(Input, ImagesJoinInTheirOrderAndAreMadeForIt) {
  const Tensor there = at::ones({2, 3, 4, 4});
  Input later;
  later.later = tensor_of(std::vector<int64_t>{7});
  later.make = [](const Tensor& which) {
    return at::full({which.size(0), 3, 4, 4}, which[0].item<double>());
  };
  const Input both = Input(there).joined(later);
  EXPECT_EQ(both.size(), 3);
  EXPECT_EQ(both.pixels().sum().item<double>(), 48 * 2 + 48 * 7);
  EXPECT_EQ(both.pixels()[2][0][0][0].item<double>(), 7);
}

TEST(Input, TextsJoinWithPaddingThatSaysSo) {
  const auto ids = [](std::vector<int64_t> list) { return tensor_of(list).unsqueeze(0); };
  const Input brief(ids({5, 6}), ids({1, 1})), plain(ids({1, 2, 3}));
  const Input both = brief.joined(plain);
  EXPECT_EQ(items_of(both.data.flatten()), (std::vector<int64_t>{5, 6, 0, 1, 2, 3}));
  EXPECT_EQ(items_of(both.mask.flatten()), (std::vector<int64_t>{1, 1, 0, 1, 1, 1}));
  EXPECT_FALSE(both.types.defined());
  EXPECT_FALSE(plain.joined(plain).mask.defined());
  EXPECT_EQ(items_of(plain.joined(Input(ids({4}))).mask.flatten()),
            (std::vector<int64_t>{1, 1, 1, 1, 0, 0}));
}

TEST(CosineDistance, IsOneMinusTheMeanCosine) {
  const Tensor a = float_tensor({1, 0, 0, 2}).reshape({2, 2});
  const Tensor b = float_tensor({5, 0, 1, 0}).reshape({2, 2});
  EXPECT_NEAR(cosine_distance(a, b).item<float>(), 0.5, 1e-6);
}

}  // namespace
}  // namespace patina::nn
