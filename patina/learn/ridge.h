// Ridge regression over frozen features: W = (HᵀH + λI)⁻¹ HᵀY, in double, by whichever of the two
// equal forms is smaller, and the choice of λ on held-out samples without forming any W.
#pragma once

#include <vector>

#include "patina/tensor.h"

namespace patina {

/// Sums over samples that a ridge solution needs: the samples themselves and their products with
/// each other while they are fewer than the dimensions (dual form), their Gram matrices from then
/// on (primal form). What was added is never multiplied again.
class RidgeStatistics {
 public:
  /// Adds samples. features [n,M], targets [n] class numbers in [0,classes).
  void add(const Tensor& features, const Tensor& targets, int64_t classes);

  /// The weights for penalty λ: [M, classes], float.
  ///   primal: (HᵀH + λI)⁻¹ HᵀY      dual: Hᵀ (HHᵀ + λI)⁻¹ Y
  Tensor solve(double penalty) const;

  bool dual() const { return !gram_.defined(); }
  int64_t samples() const { return samples_; }
  /// Products of the `count` samples added last, dual form only: HHᵀ [count,count] double.
  Tensor last_kernel(int64_t count) const;

  template <class Archive>
  void state(Archive& a) {
    a("samples", samples_);
    a("classes", classes_);
    a("rows", rows_);
    a("kernel", kernel_);
    a("targets", targets_);
    a("gram", gram_);
    a("products", products_);
  }

 private:
  void add_dual(const Tensor& features, const Tensor& targets);
  void add_primal(const Tensor& features, const Tensor& targets);

  int64_t samples_ = 0, classes_ = 0;
  Tensor rows_;      // [n,M] float, dual form
  Tensor kernel_;    // [n,n] double, HHᵀ, lower triangle, dual form
  Tensor targets_;   // [n]
  Tensor gram_;      // [M,M] double, HᵀH, lower triangle, primal form
  Tensor products_;  // [M,K] double
};

/// One-hot rows. targets [n] -> [n,classes] of `type`.
Tensor one_hot(const Tensor& targets, int64_t classes, at::ScalarType type);

/// Ridge regression on some samples with others held out, for any penalty from one
/// eigendecomposition of the smaller Gram matrix: it predicts cross (gram + λI)⁻¹ products without
/// forming weights.
class RidgeTrial {
 public:
  /// Fits the first `fitted` of n samples, from their products with each other. kernel HHᵀ [n,n]
  /// double, outputs [n,C].
  static RidgeTrial dual(const Tensor& kernel, const Tensor& outputs, int64_t fitted);
  /// The same from the samples, cheaper where fitted > M. features [n,M], outputs [n,C].
  static RidgeTrial primal(const Tensor& features, const Tensor& outputs, int64_t fitted);

  Tensor predict(double penalty) const;  // of the held-out samples, [n-fitted,C] double
  double error(double penalty) const;    // mean squared, of those

 private:
  RidgeTrial(const Tensor& gram, const Tensor& products, const Tensor& cross, const Tensor& wanted);

  Tensor basis_;        // [n-fitted,r]: cross U, with gram = U diag(eigenvalues) Uᵀ
  Tensor coordinates_;  // [r,C]: Uᵀ products
  Tensor eigenvalues_;  // [r,1]
  Tensor wanted_;       // [n-fitted,C]
};

/// The penalty of `grid` with the smallest mean squared error on the held-out samples; the first
/// of equals.
double choose_penalty(const std::vector<double>& grid, const RidgeTrial& trial);

}  // namespace patina
