// Algebra with symmetric matrices that learners share, in double: products of which only the lower
// triangle is computed, and solutions from a kept Cholesky factor.
#pragma once

#include "patina/tensor.h"

namespace patina {

/// sum += a aᵀ, lower triangle only: half the work of the product. What stands above the diagonal
/// of `sum` [n,n] (double) has no meaning afterwards. a [n,m], float or double.
void add_lower_product(const Tensor& sum, const Tensor& a);

/// sum += a bᵀ. sum [n,k] double, a [n,m] and b [k,m] float or double.
void add_product(const Tensor& sum, const Tensor& a, const Tensor& b);

/// The symmetric matrix with this lower triangle. [n,n]
Tensor mirrored(const Tensor& lower);

/// a aᵀ, both triangles: [n,n] double. a [n,m], float or double.
Tensor symmetric_product(const Tensor& a);

/// (S + λI)⁻¹ for a symmetric positive semi-definite S, factored once: Cholesky, and where rounding
/// has left S + λI not positive definite, the eigendecomposition with negative eigenvalues taken as
/// zero.
class ShiftedInverse {
 public:
  /// Reads the lower triangle of `s` [n,n] double. λ > 0.
  ShiftedInverse(const Tensor& s, double shift);
  Tensor operator()(const Tensor& b) const;  // [n,k] double -> [n,k]

 private:
  Tensor factor_;                // [n,n], lower triangular
  Tensor vectors_, reciprocal_;  // [n,n], [n,1]: the fallback; defined when factor_ is not
};

}  // namespace patina
