// One Gaussian per class, stored as its mean and one triangular matrix: the Cholesky factor for
// sampling, or its inverse for distances. Both are computed once, in double.
#pragma once

#include <span>

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina {

struct Moments {
  Tensor mean;        // [D] double
  Tensor covariance;  // [D,D] double, divided by n-1; zeros for a single sample
};

/// rows [n,D], n > 0.
Moments moments(const Tensor& rows);

/// The moments of n and m > 0 samples together, from those of each.
Moments united(const Moments& first, int64_t n, const Moments& second, int64_t m);

/// Gaussians for sampling.
class Gaussians {
 public:
  /// Adds a class. covariance [D,D], of which the lower triangle is read; throws Error(data) if it
  /// is not positive definite.
  void add(const Tensor& mean, const Tensor& covariance);
  int64_t classes() const { return int64_t(means_.size()); }

  /// Draws counts[c] samples μ + L z of each class c: [sum of counts, D] float, ordered by class.
  /// The noise is drawn row after row, so the same `random` gives the same rows for all counts.
  /// `scales` (one per class, or empty) multiply the means.
  Tensor sample(std::span<const int64_t> counts, Random& random,
                std::span<const double> scales = {}) const;
  const Tensor& mean(int64_t c) const { return means_.at(size_t(c)); }
  void set_mean(int64_t c, const Tensor& mean) { means_.at(size_t(c)) = mean.to(at::kFloat); }

  template <class Archive>
  void state(Archive& a) {
    a("means", means_);
    a("factors", factors_);
  }

 private:
  std::vector<Tensor> means_;    // [D] float
  std::vector<Tensor> factors_;  // [D,D] float, lower triangular: Σ = L Lᵀ
};

/// Gaussians for distances: (x-μ)ᵀ Σ⁻¹ (x-μ) = |L⁻¹(x-μ)|², so that a batch needs matrix products
/// but no solve.
class Mahalanobis {
 public:
  /// As Gaussians::add.
  void add(const Tensor& mean, const Tensor& covariance);
  /// Replaces class c.
  void set(int64_t c, const Tensor& mean, const Tensor& covariance);
  /// Adds class c of another, bit for bit.
  void add(const Mahalanobis& other, int64_t c);
  /// The covariance of class c, from its factor: [D,D] double.
  Tensor covariance(int64_t c) const;
  /// Removes a class; the numbers of those after it decrease by one.
  void remove(int64_t c);
  int64_t classes() const { return int64_t(means_.size()); }

  /// Squared distances of x [B,D] float to every class: [B,K].
  Tensor squared_distances(const Tensor& x) const;
  /// Logarithms of the classes' densities at x [B,D] float: [B,K] double.
  Tensor log_densities(const Tensor& x) const;

  template <class Archive>
  void state(Archive& a) {
    a("means", means_);
    a("inverses", inverses_);
  }

 private:
  std::vector<Tensor> means_;     // [D] float
  std::vector<Tensor> inverses_;  // [D,D] float, lower triangular: L⁻¹
};

}  // namespace patina
