// Ridge regression in the space of a Gaussian kernel: f(x) = k(x,X) (k(X,X) + λI)⁻¹ Y with k(x,y) =
// exp(-γ |x-y|²). Samples are added by extending the Cholesky factor, so that the result is that of
// all samples together, whatever their order.
#pragma once

#include "patina/algebra/linear_algebra.h"
#include "patina/tensor.h"

namespace patina {

/// Keeps every sample and the factor, n²/2 doubles for n samples.
class KernelRidge {
 public:
  KernelRidge(double gamma, double penalty) : gamma_(gamma), penalty_(penalty) {}

  /// Adds samples. features [n,D], targets [n] class numbers in [0,classes).
  void add(const Tensor& features, const Tensor& targets, int64_t classes);
  /// Adds the samples of another. Their class c has the number `numbers[c]` among `classes` here.
  void merge(const KernelRidge& other, const std::vector<int64_t>& numbers, int64_t classes);
  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,classes] float

  template <class Archive>
  void state(Archive& a) {
    a("classes", classes_);
    a("rows", rows_);
    a("targets", targets_);
    Tensor packed = a.loading() ? Tensor() : packed_lower(factor_);
    a("factor", packed);
    if (!a.loading()) return;
    factor_ = unpacked_lower(packed);
    solve();
  }

 private:
  Tensor kernel(const Tensor& a, const Tensor& b) const;  // [n,D], [m,D] -> [n,m] double
  void solve();

  double gamma_, penalty_;
  int64_t classes_ = 0;
  Tensor rows_;     // [N,D] float
  Tensor targets_;  // [N]
  Tensor factor_;   // [N,N] double, lower triangular: k(X,X) + λI = L Lᵀ
  Tensor weights_;  // [N,classes] double
};

}  // namespace patina
