// Ridge regression over frozen features: W = (HᵀH + λI)⁻¹ HᵀY, in double, by whichever of the two
// equal forms is smaller, and one factorisation for a whole grid of penalties.
#pragma once

#include <vector>

#include "patina/tensor.h"

namespace patina {

/// Sums over samples that a ridge solution needs: the samples themselves while they are fewer than
/// the dimensions (dual form), their Gram matrices from then on (primal form).
class RidgeStatistics {
 public:
  /// Adds samples. features [n,M], targets [n] class numbers in [0,classes).
  void add(const Tensor& features, const Tensor& targets, int64_t classes);

  /// The weights for penalty λ: [M, classes], float.
  ///   primal: (HᵀH + λI)⁻¹ HᵀY      dual: Hᵀ (HHᵀ + λI)⁻¹ Y
  Tensor solve(double penalty) const;

  bool dual() const { return !gram_.defined(); }
  int64_t samples() const { return samples_; }

  template <class Archive>
  void state(Archive& a) {
    a("samples", samples_);
    a("classes", classes_);
    a("rows", rows_);
    a("targets", targets_);
    a("gram", gram_);
    a("products", products_);
  }

 private:
  int64_t samples_ = 0, classes_ = 0;
  Tensor rows_;      // [n,M] float, dual form
  Tensor targets_;   // [n]
  Tensor gram_;      // [M,M] double, primal form
  Tensor products_;  // [M,K] double
};

/// One-hot rows. targets [n] -> [n,classes] of `type`.
Tensor one_hot(const Tensor& targets, int64_t classes, at::ScalarType type);

/// The ridge solutions of one set of samples for any penalty, from one eigendecomposition of the
/// smaller Gram matrix.
class RidgePath {
 public:
  /// features [n,M], outputs [n,C].
  RidgePath(const Tensor& features, const Tensor& outputs);
  Tensor weights(double penalty) const;  // [M,C] double
  /// weights(penalty) applied to `features` [m,M]: [m,C] double; cheaper than forming the weights.
  /// `prepared` is prepare(features).
  Tensor predict(const Tensor& prepared, double penalty) const;
  Tensor prepare(const Tensor& features) const;

 private:
  Tensor basis_;        // [M,r] eigenvectors (primal), or Hᵀ U (dual)
  Tensor coordinates_;  // [r,C]
  Tensor eigenvalues_;  // [r]
};

/// The penalty of `grid` with the smallest mean squared error on held-out samples.
double choose_penalty(const std::vector<double>& grid, const Tensor& features,
                      const Tensor& outputs, const Tensor& held_out_features,
                      const Tensor& held_out_outputs);

}  // namespace patina
