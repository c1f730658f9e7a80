// Products of lower triangles and shifted solutions, compared with plain products, at sizes below
// and above every block size.
#include "patina/algebra/linear_algebra.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

Tensor plain(const Tensor& a, const Tensor& b) {
  return at::matmul(a.to(at::kDouble), b.to(at::kDouble).t());
}

TEST(LowerProduct, EqualsThePlainProductBelowTheDiagonal) {
  for (const int64_t n : {1, 5, 256, 257, 700}) {
    for (const int64_t m : {3, 512, 1100}) {
      const Tensor a = random_tensor({n, m}, uint64_t(n + m));
      const Tensor sum = at::ones({n, n}, at::kDouble);
      add_lower_product(sum, a);
      EXPECT_LT(relative_error(sum.tril(), (plain(a, a) + 1).tril()), 1e-13) << n << " " << m;
      EXPECT_LT(relative_error(symmetric_product(a), plain(a, a)), 1e-13) << n << " " << m;
    }
  }
}

TEST(LowerProduct, LeavesTheLargeSquareAboveTheDiagonalAlone) {
  const Tensor sum = at::zeros({700, 700}, at::kDouble);
  add_lower_product(sum, random_tensor({700, 4}, 1));
  EXPECT_EQ(sum.slice(0, 0, 350).slice(1, 350).abs().max().item<double>(), 0);
}

TEST(LowerProduct, TakesTransposedRows) {
  const Tensor a = random_tensor({300, 40}, 1);
  EXPECT_LT(relative_error(symmetric_product(a.t()), plain(a.t(), a.t())), 1e-13);
}

TEST(LowerProduct, OfTwoFactorsWhoseProductIsSymmetric) {
  for (const int64_t n : {5, 257, 600}) {
    const Tensor a = random_tensor({n, 40}, 1).to(at::kDouble), b = random_tensor({n, 40}, 2);
    const Tensor sum = at::zeros({n, n}, at::kDouble);
    add_lower_product(sum, at::cat({a, b}, 1), at::cat({b, a}, 1));
    EXPECT_LT(relative_error(sum.tril(), (plain(a, b) + plain(b, a)).tril()), 1e-13) << n;
  }
}

// Float sums are used because they cost half as much; the bound is the rounding of sums of 1100
// float products.
TEST(LowerProduct, OfFloatsStaysWithinTheirRounding) {
  const Tensor a = random_tensor({700, 1100}, 1).abs();
  const Tensor sum = symmetric_product(a, at::kFloat), wanted = plain(a, a);
  EXPECT_EQ(sum.scalar_type(), at::kFloat);
  EXPECT_LT(((sum - wanted).abs() / wanted).max().item<double>(), 2e-6);
}

TEST(SymmetricTimes, ReadsTheLowerTriangleOnly) {
  for (const int64_t n : {1, 5, 256, 257, 700}) {
    const Tensor lower = random_tensor({n, n}, 1).to(at::kDouble);
    const Tensor b = random_tensor({n, 3}, 2).to(at::kDouble);
    EXPECT_LT(relative_error(symmetric_times(lower, b), at::matmul(mirrored(lower), b)), 1e-13)
        << n;
  }
}

TEST(Product, AddsIntoPartOfAMatrix) {
  const Tensor a = random_tensor({6, 1100}, 1), b = random_tensor({4, 1100}, 2);
  const Tensor whole = at::zeros({8, 8}, at::kDouble);
  const Tensor part = whole.slice(0, 2).slice(1, 0, 4);
  add_product(part, a, b);
  add_product(part, a, b);
  EXPECT_LT(relative_error(part, 2 * plain(a, b)), 1e-13);
  EXPECT_EQ(whole.slice(0, 0, 2).abs().max().item<double>(), 0);
  EXPECT_EQ(whole.slice(1, 4).abs().max().item<double>(), 0);
}

TEST(Mirrored, ReadsTheLowerTriangleOnly) {
  const Tensor lower = random_tensor({5, 5}, 1).to(at::kDouble), both = mirrored(lower);
  EXPECT_TRUE(at::equal(both, both.t()));
  EXPECT_TRUE(at::equal(both.tril(), lower.tril()));
  const Tensor one = at::full({1, 1}, 3.), turned = lower.clone();
  EXPECT_TRUE(at::equal(mirrored(one), at::full({1, 1}, 3.)));
  mirrored(turned.t());
  EXPECT_TRUE(at::equal(turned, lower));
}

TEST(PackedLower, IsTheTriangleRowByRow) {
  const Tensor m = float_tensor({1, 9, 9, 2, 3, 9, 4, 5, 6}).reshape({3, 3});
  const Tensor packed = packed_lower(m);
  EXPECT_TRUE(at::equal(packed, float_tensor({1, 2, 3, 4, 5, 6})));
  EXPECT_TRUE(at::equal(unpacked_lower(packed), m.tril()));
  EXPECT_FALSE(unpacked_lower(packed_lower(Tensor())).defined());
}

TEST(PackedLower, RefusesWhatIsNoTriangle) {
  for (const Tensor& wrong : {at::zeros({5}), at::zeros({3, 2}), at::zeros({0})})
    EXPECT_EQ(error_of([&] { unpacked_lower(wrong); }),
              fmt::format("no triangle has {} values: the state is damaged", wrong.numel()));
}

TEST(Cholesky, SolvesInItsTypeOrIsNot) {
  const Tensor a = random_tensor({30, 20}, 1), s = plain(a, a), b = random_tensor({30, 3}, 2);
  const Tensor x = Cholesky::of(s.to(at::kFloat), 1).value()(b);
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(at::matmul(s, x.to(at::kDouble)) + x, b), 1e-5);
  EXPECT_FALSE(Cholesky::of(-s, 1).has_value());
}

TEST(ShiftedInverse, SolvesFromTheLowerTriangle) {
  const Tensor a = random_tensor({30, 20}, 1), s = plain(a, a);
  const Tensor b = random_tensor({30, 3}, 2).to(at::kDouble);
  const Tensor noise = random_tensor({30, 30}, 3).to(at::kDouble).triu(1);
  const Tensor x = ShiftedInverse(s + noise, 0.1)(b);
  EXPECT_LT(relative_error(at::matmul(s, x) + 0.1 * x, b), 1e-11);
}

// An eigenvalue of -1: Cholesky fails, and the fallback treats it as zero.
TEST(ShiftedInverse, TakesNegativeEigenvaluesAsZero) {
  const Tensor s = at::eye(3, at::kDouble) * 3;
  s[1][1] = -1;
  const Tensor x = ShiftedInverse(s, 0.5)(at::ones({3, 1}, at::kDouble));
  EXPECT_NEAR(x[0][0].item<double>(), 1 / 3.5, 1e-15);
  EXPECT_NEAR(x[1][0].item<double>(), 2, 1e-15);
}

// W = U diag(s) Vᵀ with chosen rows of Vᵀ, taller than wide and wider than tall.
TEST(RightSingularRows, AreThoseThatAMatrixWasMadeOf) {
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{30, 12}, {12, 30}}) {
    Random random = Seeds(5)("singular", uint64_t(rows));
    const int64_t rank = std::min(rows, columns);
    const Tensor u = orthogonal_rows(rank, rows, {}, random);
    const Tensor v = orthogonal_rows(rank, columns, {}, random);
    const Tensor s = at::arange(rank, at::kFloat) + 1;  // the last rows are the first vectors
    const Tensor w = at::matmul(u.t() * s, v);
    const Tensor found = right_singular_rows(w, 3);
    ASSERT_EQ(found.sizes(), at::IntArrayRef({3, columns}));
    EXPECT_LT(relative_error(at::matmul(found, found.t()), at::eye(3)), 1e-9);
    for (int64_t i = 0; i < 3; ++i) {
      const Tensor own = v[rank - 1 - i].to(at::kDouble);
      EXPECT_NEAR(std::abs((found[i] * own).sum().item<double>()), 1, 1e-5) << rows << " " << i;
      EXPECT_EQ(found[i].max().item<double>(), found[i].abs().max().item<double>());
    }
    const Tensor more = right_singular_rows(w, rank + 2);
    EXPECT_TRUE(at::equal(more.slice(0, rank), at::zeros({2, columns}, at::kDouble)));
  }
}

TEST(OrthogonalRows, AreOrthogonalToEarlierOnesThatAreNot) {
  Random random = Seeds(3)("rows");
  const Tensor some = random_tensor({6, 40}, 1);
  const Tensor earlier = at::cat({some, some.slice(0, 0, 2) * 3, at::zeros({1, 40})});
  const Tensor rows = orthogonal_rows(5, 40, earlier, random);
  EXPECT_LT(relative_error(at::matmul(rows, rows.t()), at::eye(5)), 1e-6);
  EXPECT_LT(at::matmul(rows, earlier.t()).abs().max().item<double>(), 1e-5);
}

TEST(OrthogonalRows, GoOnWhereAllDirectionsAreTaken) {
  Random random = Seeds(3)("rows");
  const Tensor first = orthogonal_rows(4, 6, {}, random);
  EXPECT_LT(relative_error(at::matmul(first, first.t()), at::eye(4)), 1e-6);
  const Tensor rows = orthogonal_rows(5, 6, first, random);
  EXPECT_LT(at::matmul(rows.slice(0, 0, 2), first.t()).abs().max().item<double>(), 1e-6);
  EXPECT_GT(at::matmul(rows.slice(0, 2), first.t()).abs().max().item<double>(), 1e-2);
  EXPECT_LT(relative_error(rows.square().sum(1), at::ones({5})), 1e-6);
}

}  // namespace
}  // namespace patina
