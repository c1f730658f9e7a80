// Ridge regression over frozen features: W = (HᵀH + λI)⁻¹ HᵀY, accurate to double precision, by the
// smaller of the two equivalent forms. Also selects λ on held-out samples without computing any W.
#pragma once

#include <vector>

#include "patina/algebra/band_form.h"
#include "patina/algebra/linear_algebra.h"
#include "patina/tensor.h"

namespace patina {

/// Sums over samples that a ridge solution needs. While the samples are fewer than the dimensions:
/// the samples and the matrix of their products (dual form); from then on their Gram matrices
/// (primal form). No product is computed twice.
/// | In dual form the products are float, which takes half the time of double. Their relative
/// error, about 1e-7, is that of the features themselves. They serve to select the penalty and to
/// start the solution, which is then refined on the samples in double.
class RidgeStatistics {
 public:
  /// Adds samples. features [n,M], targets [n] class numbers in [0,classes).
  void add(const Tensor& features, const Tensor& targets, int64_t classes);

  /// Adds the sums of other samples. Their class c has the number `numbers[c]` among `classes`
  /// here.
  void merge(const RidgeStatistics& other, const std::vector<int64_t>& numbers, int64_t classes);

  /// The weights for penalty λ: [M, classes], float.
  /// primal: (HᵀH + λI)⁻¹ HᵀY      dual: Hᵀ (HHᵀ + λI)⁻¹ Y
  Tensor solve(double penalty) const;

  bool dual() const { return !gram_.defined(); }
  int64_t samples() const { return samples_; }
  /// Products of the last `count` samples (dual form only): HHᵀ [count,count] float.
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
  void become_primal(int64_t dims, const at::TensorOptions& options);
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

/// Ridge regression fitted on some samples and evaluated on the others, for any penalty, from one
/// band form of the smaller Gram matrix: predicts cross (gram + λI)⁻¹ products without computing
/// weights.
class RidgeTrial {
 public:
  /// Fits the first `fitted` of n samples, given all their products. kernel HHᵀ [n,n] float or
  /// double, which sets the type of computation; its lower triangle is read. outputs [n,C].
  static RidgeTrial dual(const Tensor& kernel, const Tensor& outputs, int64_t fitted);
  /// The same from the samples, in double; cheaper if fitted > M. features [n,M], outputs [n,C].
  static RidgeTrial primal(const Tensor& features, const Tensor& outputs, int64_t fitted);

  /// Predictions for the held-out samples: [n-fitted,C]. Nothing if the penalty is so small that,
  /// after rounding, gram + λI is not positive definite.
  std::optional<Tensor> predict(double penalty) const;
  double error(double penalty) const;  // mean squared error on them; infinite without a prediction

 private:
  RidgeTrial(const Tensor& gram, const Tensor& products, const Tensor& cross, const Tensor& wanted);

  BandForm form_;       // gram = Q B Qᵀ
  Tensor basis_;        // [n-fitted,r]: cross Q
  Tensor coordinates_;  // [r,C]: Qᵀ products
  Tensor wanted_;       // [n-fitted,C]: targets
};

/// The penalty in `grid` with the smallest mean squared error on the held-out samples; the first
/// one among equals.
double choose_penalty(const std::vector<double>& grid, const RidgeTrial& trial);

}  // namespace patina
