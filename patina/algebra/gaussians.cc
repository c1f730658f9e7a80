#include "patina/algebra/gaussians.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "patina/algebra/linear_algebra.h"
#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// Rows of a triangular matrix that are multiplied at a time; the zeros to the right of their
// diagonal block are skipped.
constexpr int64_t kTriangleRows = 256;

// L of Σ = L Lᵀ, double. OpenBLAS factors NaN without an error, so the result is checked as well.
Tensor cholesky_factor(const Tensor& covariance) {
  const auto [factor, info] = at::linalg_cholesky_ex(covariance.to(at::kDouble));
  if (info.item<int>() != 0 || !factor.isfinite().all().item<bool>())
    fail(ErrorKind::data,
         "a class's covariance over {} dimensions is not positive definite: add shrinkage to its "
         "diagonal, and look for features that are not finite",
         covariance.size(0));
  return factor;
}

// L⁻¹ of Σ = L Lᵀ, float.
Tensor inverse_factor(const Tensor& covariance) {
  const Tensor factor = cholesky_factor(covariance);
  const Tensor unit = at::eye(factor.size(0), factor.options());
  return at::linalg_solve_triangular(factor, unit, /*upper=*/false).to(at::kFloat).contiguous();
}

// Calls body(first, end, columns first to end of u Tᵀ), for a lower triangular T [D,D] and u [B,D].
template <class Body>
void each_product(const Tensor& u, const Tensor& triangle, const Body& body) {
  for (int64_t first = 0; first < u.size(1); first += kTriangleRows) {
    const int64_t end = std::min(u.size(1), first + kTriangleRows);
    const Tensor rows = triangle.slice(0, first, end).slice(1, 0, end);
    body(first, end, at::matmul(u.slice(1, 0, end), rows.t()));
  }
}

// |T u_i|² for every row u_i of u [B,D] and a lower triangular T [D,D]: [B].
Tensor squared_lengths(const Tensor& triangle, const Tensor& u) {
  Tensor sum = at::zeros({u.size(0)}, u.options());
  each_product(u, triangle,
               [&](int64_t, int64_t, const Tensor& part) { sum.add_(part.square_().sum(1)); });
  return sum;
}

}  // namespace

Moments moments(const Tensor& rows) {
  NoGrad no_grad;
  const Tensor samples = rows.to(at::kDouble), mean = samples.mean(0);
  const double divisor = double(std::max<int64_t>(1, rows.size(0) - 1));
  return {mean, symmetric_product((samples - mean).t()) / divisor};
}

// With δ = μ₂ - μ₁ the scatter of both is that of each, and n m / (n + m) δ δᵀ between them.
Moments united(const Moments& first, int64_t n, const Moments& second, int64_t m) {
  NoGrad no_grad;
  const double all = double(n + m);
  const Tensor apart = second.mean - first.mean;
  const Tensor scatter = first.covariance * double(n - 1) + second.covariance * double(m - 1) +
                         apart.outer(apart) * (double(n) * double(m) / all);
  return {first.mean + apart * (double(m) / all), scatter / (all - 1)};
}

void Gaussians::add(const Tensor& mean, const Tensor& covariance) {
  NoGrad no_grad;
  factors_.push_back(cholesky_factor(covariance).to(at::kFloat).contiguous());
  means_.push_back(mean.to(at::kFloat));
}

Tensor Gaussians::sample(std::span<const int64_t> counts, Random& random,
                         std::span<const double> scales) const {
  NoGrad no_grad;
  PATINA_REQUIRE(int64_t(counts.size()) == classes() && classes() > 0, "a count for every class");
  PATINA_REQUIRE(scales.empty() || scales.size() == counts.size(), "a scale for every class");
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  Tensor noise = at::empty({total, means_[0].size(0)});
  random.fill_normal(host_values(noise));
  noise = on(means_[0].device(), noise);
  Tensor drawn = at::empty_like(noise);
  for (size_t c = 0, first = 0; c < counts.size(); first += size_t(counts[c++])) {
    const auto of_class = [&](const Tensor& all) {
      return all.slice(0, int64_t(first), int64_t(first) + counts[c]);
    };
    const Tensor mean = scales.empty() ? means_[c] : means_[c] * scales[c];
    each_product(of_class(noise), factors_[c], [&](int64_t low, int64_t high, const Tensor& part) {
      of_class(drawn).slice(1, low, high).copy_(part + mean.slice(0, low, high));
    });
  }
  return drawn;
}

void Mahalanobis::add(const Tensor& mean, const Tensor& covariance) {
  NoGrad no_grad;
  inverses_.push_back(inverse_factor(covariance));
  means_.push_back(mean.to(at::kFloat));
}

void Mahalanobis::set(int64_t c, const Tensor& mean, const Tensor& covariance) {
  NoGrad no_grad;
  PATINA_REQUIRE(c >= 0 && c < classes(), "a class that is there");
  inverses_[size_t(c)] = inverse_factor(covariance);
  means_[size_t(c)] = mean.to(at::kFloat);
}

void Mahalanobis::add(const Mahalanobis& other, int64_t c) {
  means_.push_back(other.means_.at(size_t(c)));
  inverses_.push_back(other.inverses_.at(size_t(c)));
}

Tensor Mahalanobis::covariance(int64_t c) const {
  NoGrad no_grad;
  const Tensor inverse = inverses_.at(size_t(c)).to(at::kDouble);
  const Tensor unit = at::eye(inverse.size(0), inverse.options());
  const Tensor factor = at::linalg_solve_triangular(inverse, unit, /*upper=*/false);
  return at::matmul(factor, factor.t());
}

void Mahalanobis::remove(int64_t c) {
  PATINA_REQUIRE(c >= 0 && c < classes(), "a class that is there");
  means_.erase(means_.begin() + c);
  inverses_.erase(inverses_.begin() + c);
}

Tensor Mahalanobis::squared_distances(const Tensor& x) const {
  NoGrad no_grad;
  PATINA_REQUIRE(classes() > 0, "distances to no class");
  std::vector<Tensor> columns;
  for (size_t c = 0; c < means_.size(); ++c)
    columns.push_back(squared_lengths(inverses_[c], x - means_[c]));
  return at::stack(columns, 1);
}

// log N(x; μ, Σ) = -(D log 2π + log|Σ| + |L⁻¹(x-μ)|²) / 2 with log|Σ| = -2 Σ log (L⁻¹)_ii.
Tensor Mahalanobis::log_densities(const Tensor& x) const {
  NoGrad no_grad;
  std::vector<Tensor> volumes;
  for (const Tensor& inverse : inverses_)
    volumes.push_back(inverse.diagonal().to(at::kDouble).log().sum());
  const double constant = double(x.size(1)) * std::log(2 * std::numbers::pi) / 2;
  return at::stack(volumes) - constant - squared_distances(x).to(at::kDouble) / 2;
}

}  // namespace patina
