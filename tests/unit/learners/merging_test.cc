// Weights of one network from several, Fisher information and optimal transport, compared with
// numbers made by hand and with the definitions.
#include "patina/nn/merging.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/transport.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/nn/losses.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

Weights one(std::initializer_list<float> items) {
  return {float_tensor(items)};
}

void expect_near(const Weights& found, std::initializer_list<float> wanted) {
  ASSERT_EQ(found.size(), 1u);
  EXPECT_LT(relative_error(found[0], float_tensor(wanted)), 1e-6);
}

TEST(Merging, MixesAndAverages) {
  expect_near(mixed(one({1, -2}), one({5, 2}), 0.25), {2, -1});
  expect_near(mixed(one({1, -2}), one({5, 2}), 0), {1, -2});
  expect_near(mixed(one({1, -2}), one({5, 2}), 1), {5, 2});
  expect_near(soup({one({1, 0}), one({2, 3}), one({6, -3})}), {3, 0});
}

TEST(Merging, FollowsAsAMovingAverage) {
  const std::vector<nn::NamedTensor> average{{"w", float_tensor({1, 10}).requires_grad_(true)}};
  const std::vector<nn::NamedTensor> now{{"w", float_tensor({2, 0}).requires_grad_(true)}};
  follow(average, weights_of(now), 0.9);
  expect_near(weights_of(average), {1.1f, 9});
  follow(average, weights_of(now), 0.9);
  expect_near(weights_of(average), {1.19f, 8.1f});
  EXPECT_TRUE(average[0].tensor.requires_grad());
  expect_near(weights_of(now), {2, 0});
}

TEST(Merging, WeighsByFisherInformation) {
  // (0.6 * 2 * 1 + 0.4 * 1 * 5) / (0.6 * 2 + 0.4 * 1) = 2; one side unknown: the other's weight;
  // both: as `mixed`, 0.6 * 1 + 0.4 * 5.
  expect_near(
      fisher_mixed(one({1, 1, 1, 1}), one({2, 0, 3, 0}), one({5, 5, 5, 5}), one({1, 7, 0, 0}), 0.4),
      {2, 5, 1, 2.6f});
  // Even the smallest informations count.
  expect_near(fisher_mixed(one({1}), one({1e-30f}), one({3}), one({1e-30f}), 0.5), {2});
}

TEST(Merging, ElectsTheLargestOfTheSumsSign) {
  // Sums 4, -3, 0 (negative), 0 of zeros.
  expect_near(elected({one({5, 1, 2, 0}), one({-3, -4, -1, 0}), one({2, 0, -1, 0})}),
              {5, -4, -1, 0});
}

TEST(Merging, AssignsInPlaceAndCopiesAreApart) {
  const Tensor tensor = float_tensor({1, 2}).requires_grad_(true);
  const std::vector<nn::NamedTensor> list{{"w", tensor}};
  const Weights before = copied(list);
  const auto version = tensor._version();
  assign(list, one({3, 4}));
  EXPECT_TRUE(at::equal(tensor, float_tensor({3, 4})));
  EXPECT_TRUE(tensor.requires_grad());
  EXPECT_GT(tensor._version(), version) << "caches would not notice";
  expect_near(before, {1, 2});
}

// Cross-entropy of a linear head on frozen features: d loss_i / d W = (p_i - y_i) f_iᵀ.
struct LinearFisher {
  ToyLearning toy{"simplecil"};
  Tensor weight = random_tensor({2, 24}, 3, 0.3).requires_grad_(true);
  Tensor unused = at::ones({3}).requires_grad_(true);
  Dataset data{*toy.data.train, {0, 1, 6, 7, 12, 13, 18}, {0, 1, 0, 1, 0, 1, 0}};

  Weights operator()(const FisherOptions& options) {
    return diagonal_fisher(options, {{"weight", weight}, {"unused", unused}}, data, toy.trainer,
                           Seeds(2)("order"), [&](const Batch& batch) {
                             return nn::cross_entropy(
                                 at::linear(toy.vit->features(batch.input), weight), batch.target);
                           });
  }
  Tensor gradients() {  // [N,2,24], a sample each
    NoGrad no_grad;
    const auto [features, targets] = toy.trainer.features(*toy.vit, data);
    const Tensor p = at::softmax(at::linear(features, weight), 1);
    return (p - at::one_hot(targets, 2)).unsqueeze(2) * features.unsqueeze(1);
  }
};

TEST(Fisher, IsTheMeanOfEachSamplesSquaredGradient) {
  LinearFisher fisher;
  const Weights found = fisher({.granularity = "sample"});
  EXPECT_LT(relative_error(found[0], fisher.gradients().square().mean(0)), 1e-5);
  EXPECT_TRUE(at::equal(found[1], at::zeros({3})));
  EXPECT_FALSE(fisher.weight.grad().defined());
  EXPECT_FALSE(found[0].requires_grad());
}

TEST(Fisher, OfBatchesSquaresTheirMeanGradient) {
  LinearFisher fisher;
  // Seven samples are one batch.
  const Weights found = fisher({.granularity = "batch"});
  const Tensor wanted = fisher.gradients().mean(0).square();
  EXPECT_LT(relative_error(found[0], wanted), 1e-5);
  const double limit = wanted.median().item<double>();
  const Weights clipped = fisher({.granularity = "batch", .clip = limit});
  EXPECT_TRUE(at::equal(clipped[0], found[0].clamp_max(limit)));
  EXPECT_FALSE(at::equal(clipped[0], found[0]));
}

void expect_marginals(const Tensor& plan) {
  EXPECT_LT(relative_error(plan.sum(1) * plan.size(0), at::ones({plan.size(0)})), 1e-6);
  EXPECT_LT(relative_error(plan.sum(0) * plan.size(1), at::ones({plan.size(1)})), 1e-9);
  EXPECT_GE(plan.min().item<double>(), 0);
}

TEST(Sinkhorn, KeepsItsMarginals) {
  const Tensor cost = random_tensor({3, 5}, 1).square();
  for (const double regularization : {10.0, 1.0, 0.1})
    expect_marginals(sinkhorn(cost, regularization));
  // Costs whose exponentials are all zero in double.
  const Tensor plan = sinkhorn(1e5 + 1e3 * at::eye(4), 0.02);
  EXPECT_TRUE(plan.isfinite().all().item<bool>());
  expect_marginals(plan);
  EXPECT_LT(plan.diagonal().max().item<double>(), 1e-12);
}

TEST(Sinkhorn, IsTheClosedFormOfTwoByTwo) {
  const Tensor cost = at::stack({float_tensor({0, 1}), float_tensor({1, 0})});
  // Symmetric: both marginals hold for K / (2 (1 + e^-1/ε)).
  const Tensor plan = sinkhorn(cost, 0.5);
  const double same = 0.5 / (1 + std::exp(-2.0));
  EXPECT_NEAR(plan[0][0].item<double>(), same, 1e-9);
  EXPECT_NEAR(plan[0][1].item<double>(), 0.5 - same, 1e-9);
  EXPECT_LT(relative_error(sinkhorn(at::zeros({2, 3}), 1), at::full({2, 3}, 1 / 6.0, at::kDouble)),
            1e-12);
}

}  // namespace
}  // namespace patina
