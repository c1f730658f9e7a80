// The band form, compared with plain products and solutions in double, at sizes below and above its
// block size.
#include "patina/algebra/band_form.h"

#include <gtest/gtest.h>

#include "patina/algebra/linear_algebra.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

Tensor random_double(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, seed).to(at::kDouble);
}

Tensor positive_definite(int64_t n, uint64_t seed) {
  return symmetric_product(random_double({n, n}, seed)) / double(n) + 0.1 * at::eye(n, at::kDouble);
}

// Q (B + λI)⁻¹ Qᵀ b.
Tensor solution(const BandForm& form, double shift, const Tensor& b) {
  const Tensor inside = form.solve(shift, form.into(b)).value();
  const Tensor q = form.across(at::eye(b.size(0), b.options()));
  return at::matmul(q, inside);
}

TEST(BandForm, SolvesWithEveryShift) {
  for (const int64_t n : {1, 5, 128, 129, 256, 257, 400, 513}) {
    const Tensor s = positive_definite(n, uint64_t(n)), b = random_double({n, 3}, 2);
    const BandForm form(s);
    for (const double shift : {1e-6, 0.3, 1e5}) {
      const Tensor x = solution(form, shift, b);
      EXPECT_LT(relative_error(at::matmul(s, x) + shift * x, b), 1e-12) << n << " " << shift;
    }
  }
}

TEST(BandForm, TurnsByAnOrthogonalMatrix) {
  for (const int64_t n : {100, 300, 400}) {
    const Tensor unit = at::eye(n, at::kDouble);
    const BandForm form(positive_definite(n, 1));
    const Tensor q = form.across(unit);
    EXPECT_LT(relative_error(at::matmul(q, q.t()), unit), 1e-13) << n;
    EXPECT_LT(relative_error(form.into(unit), q.t()), 1e-13) << n;
    const Tensor c = random_double({7, n}, 2);
    EXPECT_LT(relative_error(form.across(c), at::matmul(c, q)), 1e-13) << n;
  }
}

TEST(BandForm, ReadsTheLowerTriangleAndLeavesItAsItWas) {
  const Tensor s = positive_definite(300, 1), b = random_double({300, 2}, 2);
  const Tensor noisy = s + random_double({300, 300}, 3).triu(1), before = noisy.clone();
  EXPECT_TRUE(at::equal(solution(BandForm(noisy), 0.1, b), solution(BandForm(s), 0.1, b)));
  EXPECT_TRUE(at::equal(noisy, before));
}

TEST(BandForm, ComputesInFloat) {
  const Tensor s = positive_definite(400, 1), b = random_double({400, 2}, 2);
  const Tensor x = solution(BandForm(s.to(at::kFloat)), 0.1, b.to(at::kFloat));
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(x, solution(BandForm(s), 0.1, b)), 1e-4);
}

// Nothing has to be eliminated: the reflections are the identity.
TEST(BandForm, TakesMatricesThatAreDiagonalAlready) {
  const Tensor b = random_double({300, 2}, 1), diagonal = at::arange(300).to(at::kDouble);
  EXPECT_LT(relative_error(solution(BandForm(at::zeros({300, 300}, at::kDouble)), 0.5, b), b * 2),
            1e-14);
  EXPECT_LT(relative_error(solution(BandForm(diagonal.diag()), 0.5, b),
                           b / (diagonal + 0.5).unsqueeze(1)),
            1e-14);
}

TEST(BandForm, SolvesNothingThatIsNotPositiveDefinite) {
  const Tensor s = positive_definite(300, 1);
  s[299][299] = -5;
  const Tensor b = at::ones({300, 1}, at::kDouble);
  const BandForm form(s);
  EXPECT_FALSE(form.solve(1e-3, b).has_value());
  EXPECT_TRUE(form.solve(100, b).has_value());
}

}  // namespace
}  // namespace patina
