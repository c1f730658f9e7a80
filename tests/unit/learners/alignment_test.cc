// Classifier alignment: class Gaussians, drift, scores normalised by task, and the training itself,
// compared with numbers computed by hand.
#include "patina/learners/representation/alignment.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/nn/losses.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

TEST(NormalizedByTask, DividesByTheMeanOfTheTasksNorms) {
  const Tensor scores = float_tensor({3, 4, 12}).unsqueeze(0);
  // Tasks of two and one class: norms 5 and 12, mean 8.5, temperature 0.1.
  EXPECT_LT(relative_error(normalized_by_task(scores, std::vector<int64_t>{2, 1}, 0.1),
                           float_tensor({3 / 0.85f, 4 / 0.85f, 12 / 0.85f}).unsqueeze(0)),
            1e-6);
  // One task of three: norm 13.
  EXPECT_LT(relative_error(normalized_by_task(scores, std::vector<int64_t>{3}, 1),
                           float_tensor({3 / 13.f, 4 / 13.f, 12 / 13.f}).unsqueeze(0)),
            1e-6);
}

TEST(NormalizedByTask, LetsGradientsFlowThroughTheNorm) {
  // For a single class, s / |s| does not change with s. It would if the norm were a constant.
  const Tensor score = float_tensor({3}).unsqueeze(0).requires_grad_(true);
  normalized_by_task(score, std::vector<int64_t>{1}, 0.1).sum().backward();
  EXPECT_NEAR(score.grad().item<double>(), 0, 1e-5);
}

TEST(DriftScales, RiseToOneForTheNewestTask) {
  const auto scales = drift_scales(std::vector<int64_t>{2, 1, 3});
  const std::vector<double> wanted{0.9 + 0.1 / 3, 0.9 + 0.1 / 3, 0.9 + 0.2 / 3, 1, 1, 1};
  ASSERT_EQ(scales.size(), wanted.size());
  for (size_t c = 0; c < wanted.size(); ++c) EXPECT_NEAR(scales[c], wanted[c], 1e-12) << c;
}

TEST(ClassGaussians, HaveTheUnbiasedCovarianceAndTheShrinkage) {
  // Class 7 has 1 and 3 in the first dimension and always 5 in the second; class 2 is another
  // class.
  const FeatureSet set{
      at::stack({float_tensor({1, 5}), float_tensor({100, 100}), float_tensor({3, 5})}),
      tensor_of(std::vector<int64_t>{7, 2, 7})};
  Gaussians gaussians;
  add_gaussians(gaussians, set, {7}, 0.25);
  ASSERT_EQ(gaussians.classes(), 1);
  EXPECT_TRUE(at::equal(gaussians.mean(0), float_tensor({2, 5})));
  Random random = Seeds(1)("draws");
  const Tensor drawn = gaussians.sample(std::vector<int64_t>{40000}, random).to(at::kDouble);
  const Tensor off = drawn - drawn.mean(0);
  const Tensor covariance = at::matmul(off.t(), off) / 39999.0;
  EXPECT_NEAR(covariance[0][0].item<double>(), 2.25, 0.06);  // ((-1)² + 1²) / (2-1) + 0.25
  EXPECT_NEAR(covariance[1][1].item<double>(), 0.25, 0.01);
  EXPECT_NEAR(covariance[0][1].item<double>(), 0, 0.02);
}

struct TwoClasses {
  TwoClasses() {
    const Tensor spread = 0.25 * at::eye(2, at::kDouble);
    gaussians.add(float_tensor({2, 0}), spread);
    gaussians.add(float_tensor({-2, 0}), spread);
  }
  // The number of fresh samples that the weights classify correctly.
  double accuracy(const Tensor& weight) const {
    Random random = Seeds(9)("fresh");
    const Tensor drawn = gaussians.sample(std::vector<int64_t>{500, 500}, random);
    const Tensor targets = at::arange(2).repeat_interleave(500);
    const Tensor found = at::matmul(drawn, weight.detach().t()).argmax(1);
    return (found == targets).to(at::kDouble).mean().item<double>();
  }
  Gaussians gaussians;
  // The first class's row points to the second class and vice versa.
  Tensor weight =
      at::stack({float_tensor({-1, 0.5}), float_tensor({1, -0.5})}).requires_grad_(true);
  Tensor bias = at::zeros({2}).requires_grad_(true);
};

TEST(Align, SeparatesTheClassesAndMovesOnlyWhatItIsGiven) {
  TwoClasses two;
  EXPECT_LT(two.accuracy(two.weight), 0.05);
  int64_t steps = 0;
  align({.epochs = 20, .samples = 32, .lr = 0.1}, two.gaussians, {}, {{.tensors = {two.weight}}},
        Seeds(3)("align"), [&](const Tensor& features, const Tensor& targets) {
          ++steps;
          EXPECT_EQ(features.sizes(), at::IntArrayRef({32, 2}));
          return nn::cross_entropy(at::linear(features, two.weight, two.bias), targets);
        });
  EXPECT_EQ(steps, 40);  // as many batches per epoch as classes
  EXPECT_GT(two.accuracy(two.weight), 0.99);
  EXPECT_TRUE(at::equal(two.bias, at::zeros({2})));
}

TEST(Align, ScalesTheMeansAndKeepsTheSpread) {
  TwoClasses two;
  std::vector<Tensor> first, second;
  const std::vector<double> scales{0.5, 1};
  align({.epochs = 1, .samples = 4000}, two.gaussians, scales, {{.tensors = {two.weight}}},
        Seeds(3)("align"), [&](const Tensor& features, const Tensor& targets) {
          for (auto [c, list] : {std::pair{0, &first}, std::pair{1, &second}})
            list->push_back(features.index_select(0, (targets == c).nonzero().squeeze(1)));
          return at::linear(features, two.weight).sum();
        });
  const Tensor a = at::cat(first), b = at::cat(second);
  ASSERT_EQ(a.size(0), 4000);
  ASSERT_EQ(b.size(0), 4000);
  EXPECT_NEAR(a.mean(0)[0].item<double>(), 1, 0.05);
  EXPECT_NEAR(b.mean(0)[0].item<double>(), -2, 0.05);
  const double variance = (a - a.mean(0)).square().mean(0)[0].item<double>();
  EXPECT_NEAR(variance, 0.25, 0.03);
}

TEST(SymmetricCrossEntropy, AddsWhatTheWrongClassesAreGiven) {
  const Tensor scores = at::log(float_tensor({0.7f, 0.2f, 0.1f})).unsqueeze(0);
  const Tensor target = tensor_of(std::vector<int64_t>{0});
  // CE = -ln 0.7; RCE = (0.2 + 0.1) (-ln 1e-4).
  EXPECT_NEAR(nn::symmetric_cross_entropy(scores, target, 2, 0).item<double>(), 2 * 0.356675, 1e-5);
  EXPECT_NEAR(nn::symmetric_cross_entropy(scores, target, 0, 1).item<double>(), 0.3 * 9.210340,
              1e-5);
  EXPECT_NEAR(nn::symmetric_cross_entropy(scores, target, 1, 0.1).item<double>(),
              0.356675 + 0.276310, 1e-5);
}

}  // namespace
}  // namespace patina
