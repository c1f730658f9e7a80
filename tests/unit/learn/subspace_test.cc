// Subspaces of inputs, on matrices whose singular values are known.
#include "patina/algebra/subspace.h"

#include <gtest/gtest.h>

#include "patina/ops.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

// Singular values 3, 2 and 1 along the first three axes of five; Σσ² = 14. The left vectors are
// axes 6, 4 and 2 of seven.
Tensor matrix() {
  Tensor x = at::zeros({7, 5});
  x[6][0] = 3;
  x[4][1] = -2;
  x[2][2] = 1;
  return x;
}

Tensor axes(std::vector<int64_t> which) {
  return at::eye(5, at::kDouble).index_select(0, tensor_of(which));
}

// Of orthonormal rows: how far the projections on their spans are from each other.
double apart(const Tensor& a, const Tensor& b) {
  return (a.t().matmul(a) - b.t().matmul(b)).abs().max().item<double>();
}

TEST(Subspace, MainDirectionsAreTheFewestThatHoldTheEnergy) {
  const auto count = [](double energy) { return main_rows(matrix(), energy).size(0); };
  EXPECT_EQ(count(0.01), 1);
  EXPECT_EQ(count(9.0 / 14 - 1e-6), 1);
  EXPECT_EQ(count(9.0 / 14 + 1e-6), 2);
  EXPECT_EQ(count(13.0 / 14 + 1e-6), 3);
  EXPECT_EQ(count(1), 3);  // no direction of rounding
  EXPECT_LT(apart(main_rows(matrix(), 0.9), axes({0, 1})), 1e-12);
  EXPECT_EQ(main_rows(at::zeros({2, 5}), 0.9).size(0), 0);
}

TEST(Subspace, LeadingDirectionsBeyondTheRankAreZero) {
  const Tensor rows = leading_rows(matrix(), 4);
  ASSERT_EQ(rows.sizes(), (std::vector<int64_t>{4, 5}));
  EXPECT_LT(apart(rows.slice(0, 0, 1), axes({0})), 1e-12);
  EXPECT_LT(apart(rows.slice(0, 1, 2), axes({1})), 1e-12);
  EXPECT_EQ(rows[3].abs().max().item<double>(), 0);
  // What rounding leaves of a matrix is nothing beside the matrix.
  EXPECT_EQ(leading_rows(matrix() * 1e-9, 2, 3).abs().max().item<double>(), 0);
}

TEST(Subspace, OutsideIsOrthogonalToTheBasis) {
  const Tensor basis = main_rows(random_tensor({40, 30}, 1), 0.7), x = random_tensor({9, 30}, 2);
  EXPECT_LT(
      (basis.matmul(basis.t()) - at::eye(basis.size(0), at::kDouble)).abs().max().item<double>(),
      1e-12);
  const Tensor rest = outside_rows(x, basis);
  EXPECT_LT(rest.matmul(basis.t()).abs().max().item<double>(), 1e-12);
  const Tensor inside = x.to(at::kDouble) - rest;
  EXPECT_LT((inside.matmul(basis.t()).matmul(basis) - inside).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(at::equal(outside_rows(x, {}), x.to(at::kDouble)));
}

// With the first axis, 9 of 14 are held; the second makes 13.
TEST(Subspace, ExtendsByTheFewestDirectionsOutside) {
  const Tensor moment = at::zeros({5, 5});
  for (int64_t i = 0; i < 3; ++i) moment[i][i] = double(3 - i);
  const auto extension = [&](double energy) { return extended_rows(axes({0}), moment, energy); };
  EXPECT_EQ(extension(0.6).size(0), 1);
  EXPECT_LT(apart(extension(0.9), axes({0, 1})), 1e-12);
  EXPECT_LT(apart(extension(13.0 / 14 + 1e-6), axes({0, 1, 2})), 1e-12);
  EXPECT_LT(apart(extended_rows({}, moment, 0.9), axes({0, 1})), 1e-12);
  // A direction that the basis holds already adds nothing: axis 4 is not among the moment's.
  EXPECT_LT(apart(extended_rows(axes({4}), moment, 0.9), axes({4, 0, 1})), 1e-12);
  const Tensor all = extension(1);
  EXPECT_EQ(all.size(0), 3);
  EXPECT_EQ(extended_rows(all, moment, 1).size(0), 3);
}

// Three tasks of three inputs each.
TEST(Subspace, StaysOrthonormalAndSpansTheData) {
  Tensor basis;
  for (uint64_t task = 0; task < 3; ++task) {
    const Tensor x = random_tensor({3, 12}, 7 + task).to(at::kDouble);
    basis = extended_rows(basis, x.t().matmul(x), 1);
    EXPECT_EQ(basis.size(0), 3 * (int64_t(task) + 1));
    EXPECT_LT(
        (basis.matmul(basis.t()) - at::eye(basis.size(0), at::kDouble)).abs().max().item<double>(),
        1e-10);
    EXPECT_LT(outside_rows(x, basis).abs().max().item<double>(), 1e-5);
  }
}

// What of C is outside a basis is not symmetric: its rows' directions are outside, its columns' are
// not.
TEST(Subspace, DirectionsOfTheRestAreOutside) {
  Tensor moment = at::full({2, 2}, 1, at::kDouble);
  moment[1][1] = 2;
  const Tensor axes = at::eye(2, at::kDouble);
  EXPECT_LT(apart(leading_rows(outside_rows(moment, axes.slice(0, 0, 1)), 1), axes.slice(0, 1, 2)),
            1e-12);
}

}  // namespace
}  // namespace patina
