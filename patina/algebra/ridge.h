// Ridge regression over frozen features: W = (HᵀH + λI)⁻¹ HᵀY, exact to double's rounding, by
// whichever of the two equal forms is smaller, and the choice of λ on held-out samples without
// forming any W.
#pragma once

#include <vector>

#include "patina/algebra/band_form.h"
#include "patina/algebra/linear_algebra.h"
#include "patina/tensor.h"

namespace patina {

/// Sums over samples that a ridge solution needs: the samples themselves and their products with
/// each other while they are fewer than the dimensions (dual form), their Gram matrices from then
/// on (primal form). What was added is never multiplied again.
///
/// In dual form the products are kept as float, made at twice the speed of double: their error,
/// some 1e-7 of each product, is that of the features themselves. They choose the penalty and start
/// the solution, which the samples then correct in double.
class RidgeStatistics {
 public:
  /// Adds samples. features [n,M], targets [n] class numbers in [0,classes).
  void add(const Tensor& features, const Tensor& targets, int64_t classes);

  /// The weights for penalty λ: [M, classes], float.
  ///   primal: (HᵀH + λI)⁻¹ HᵀY      dual: Hᵀ (HHᵀ + λI)⁻¹ Y
  Tensor solve(double penalty) const;

  bool dual() const { return !gram_.defined(); }
  int64_t samples() const { return samples_; }
  /// Products of the `count` samples added last, dual form only: HHᵀ [count,count] float.
  Tensor last_kernel(int64_t count) const;

  template <class Archive>
  void state(Archive& a) {
    a("samples", samples_);
    a("classes", classes_);
    a("rows", rows_);
    triangle(a, "kernel", kernel_);
    a("targets", targets_);
    triangle(a, "gram", gram_);
    a("products", products_);
  }

 private:
  template <class Archive>
  static void triangle(Archive& a, const char* name, Tensor& lower) {
    Tensor packed = a.loading() ? Tensor() : packed_lower(lower);
    a(name, packed);
    if (a.loading()) lower = unpacked_lower(packed);
  }
  void add_dual(const Tensor& features, const Tensor& targets);
  void add_primal(const Tensor& features, const Tensor& targets);

  int64_t samples_ = 0, classes_ = 0;
  Tensor rows_;      // [n,M] float, dual form
  Tensor kernel_;    // [n,n] float, HHᵀ, lower triangle, dual form
  Tensor targets_;   // [n]
  Tensor gram_;      // [M,M] double, HᵀH, lower triangle, primal form
  Tensor products_;  // [M,K] double
};

/// One-hot rows. targets [n] -> [n,classes] of `type`.
Tensor one_hot(const Tensor& targets, int64_t classes, at::ScalarType type);

/// Ridge regression on some samples with others held out, for any penalty from one band form of the
/// smaller Gram matrix: it predicts cross (gram + λI)⁻¹ products without forming weights.
class RidgeTrial {
 public:
  /// Fits the first `fitted` of n samples, from their products with each other. kernel HHᵀ [n,n]
  /// float or double, the type it computes in; its lower triangle is read. outputs [n,C].
  static RidgeTrial dual(const Tensor& kernel, const Tensor& outputs, int64_t fitted);
  /// The same from the samples in double, cheaper where fitted > M. features [n,M], outputs [n,C].
  static RidgeTrial primal(const Tensor& features, const Tensor& outputs, int64_t fitted);

  /// Of the held-out samples: [n-fitted,C]. Nothing where the penalty is below rounding, so that
  /// gram + λI is not positive definite.
  std::optional<Tensor> predict(double penalty) const;
  double error(double penalty) const;  // mean squared, of those; infinite for no prediction

 private:
  RidgeTrial(const Tensor& gram, const Tensor& products, const Tensor& cross, const Tensor& wanted);

  BandForm form_;       // gram = Q B Qᵀ
  Tensor basis_;        // [n-fitted,r]: cross Q
  Tensor coordinates_;  // [r,C]: Qᵀ products
  Tensor wanted_;       // [n-fitted,C]
};

/// The penalty of `grid` with the smallest mean squared error on the held-out samples; the first
/// of equals.
double choose_penalty(const std::vector<double>& grid, const RidgeTrial& trial);

}  // namespace patina
