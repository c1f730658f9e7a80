// Orthonormal bases of data by their energy, by hand.
#include "patina/algebra/energy_basis.h"

#include <gtest/gtest.h>

#include "patina/base/random.h"
#include "patina/ops.h"

namespace patina {
namespace {

Tensor diagonal(std::vector<double> values) {
  const auto n = int64_t(values.size());
  Tensor matrix = at::zeros({n, n}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) matrix[i][i] = values[size_t(i)];
  return matrix;
}

double furthest(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// σ² are 9, 4, 1 and 0 of 14: the first holds 0.643 of them, the first two 0.929.
TEST(EnergyBasis, HasAsFewDirectionsAsHoldTheEnergy) {
  const Tensor moment = diagonal({1, 3, 0, 2}), axes = at::eye(4, at::kDouble);
  EXPECT_LT(furthest(extended_basis({}, moment, 0.64), axes.slice(1, 1, 2)), 1e-12);
  const Tensor two = extended_basis({}, moment, 0.65);
  EXPECT_EQ(two.size(1), 2);
  EXPECT_LT(furthest(two.slice(1, 1, 2), axes.slice(1, 3, 4)), 1e-12);
  EXPECT_EQ(extended_basis({}, moment, 0.93).size(1), 3);
  EXPECT_EQ(extended_basis({}, moment, 1).size(1), 3) << "the fourth has no energy";
  EXPECT_FALSE(extended_basis({}, at::zeros({4, 4}, at::kDouble), 1).defined());
}

TEST(EnergyBasis, CountsWhatTheBasisHolds) {
  const Tensor moment = diagonal({1, 3, 0, 2}), axes = at::eye(4, at::kDouble);
  const Tensor first = axes.slice(1, 1, 2), third = axes.slice(1, 2, 3);
  EXPECT_EQ(extended_basis(first, moment, 0.64).size(1), 1);
  EXPECT_EQ(extended_basis(first, moment, 0.65).size(1), 2);
  EXPECT_EQ(extended_basis(third, moment, 0.64).size(1), 2) << "it held nothing";
}

TEST(EnergyBasis, StaysOrthonormalAndSpansTheData) {
  Tensor basis;
  Random random(7, 0);
  for (int task = 0; task < 3; ++task) {
    Tensor data = at::empty({12, 3}, at::kFloat);
    for (float& value : host_values(data)) value = float(random.normal());
    const Tensor x = data.to(at::kDouble);
    basis = extended_basis(basis, x.matmul(x.t()), 1);
    EXPECT_EQ(basis.size(1), 3 * (task + 1));
    EXPECT_LT(furthest(basis.t().matmul(basis), at::eye(basis.size(1), at::kDouble)), 1e-10);
    EXPECT_LT(outside(basis, x).abs().max().item<double>(), 1e-5);
  }
}

TEST(EnergyBasis, DirectionsAreLeftSingularVectors) {
  // Ĉ = (I - M Mᵀ) C is not symmetric: its left singular vectors are outside the basis, its right
  // ones are not.
  const Tensor axes = at::eye(2, at::kDouble);
  Tensor moment = at::full({2, 2}, 1, at::kDouble);
  moment[1][1] = 2;
  const Tensor left = outside(axes.slice(1, 0, 1), moment);
  EXPECT_LT(furthest(leading_directions(left, 1), axes.slice(1, 1, 2)), 1e-12);
}

}  // namespace
}  // namespace patina
