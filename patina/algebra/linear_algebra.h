// Algebra with symmetric matrices for learners: products that compute the lower triangle only, and
// solutions from a stored Cholesky factor.
#pragma once

#include <optional>

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina {

// Sums and factors may be float or double; sums are computed in the sum's type.

/// sum += a bᵀ for a symmetric product, lower triangle only, which halves the work. The entries
/// above the diagonal of `sum` [n,n] are undefined afterwards. a and b [n,m].
void add_lower_product(const Tensor& sum, const Tensor& a, const Tensor& b);
inline void add_lower_product(const Tensor& sum, const Tensor& a) {
  add_lower_product(sum, a, a);
}

/// sum += a bᵀ. sum [n,k], a [n,m] and b [k,m].
void add_product(const Tensor& sum, const Tensor& a, const Tensor& b);

/// S b for the symmetric matrix S with this lower triangle [n,n], of the type of b [n,k].
Tensor symmetric_times(const Tensor& lower, const Tensor& b);

/// The symmetric matrix with this lower triangle: [n,n].
Tensor mirrored(const Tensor& lower);

/// a aᵀ, both triangles: [n,n] of `type`. a [n,m].
Tensor symmetric_product(const Tensor& a, at::ScalarType type = at::kDouble);

/// Packs the lower triangle row by row, [n,n] -> [n(n+1)/2]; and unpacks it, with zeros above the
/// diagonal. An undefined tensor stays undefined. Unpacking throws Error(state) if no triangle has
/// that size.
Tensor packed_lower(const Tensor& lower);
Tensor unpacked_lower(const Tensor& packed);

/// `count` random unit rows of `width`, orthogonal to each other and to those of `earlier`
/// [s,width] (undefined: none), which need not be orthogonal themselves: Gram-Schmidt. Rows beyond
/// the dimension of the space are unit vectors, but not orthogonal.
Tensor orthogonal_rows(int64_t count, int64_t width, const Tensor& earlier, Random& random);

/// The first `count` right singular vectors of w [n,m], those of the largest singular values first,
/// as rows [count,m] in double. The largest element of each is positive. Rows beyond the smaller
/// side of w are zero.
Tensor right_singular_rows(const Tensor& w, int64_t count);

/// (S + λI)⁻¹ from a stored Cholesky factor, float or double.
class Cholesky {
 public:
  /// Reads the lower triangle of `s` [n,n]; nothing if S + λI is not positive definite.
  static std::optional<Cholesky> of(const Tensor& s, double shift);
  Tensor operator()(const Tensor& b) const;  // [n,k] -> [n,k]

 private:
  explicit Cholesky(const Tensor& factor) : factor_(factor) {}
  Tensor factor_;  // [n,n], lower triangular
};

/// (S + λI)⁻¹ for a symmetric positive semi-definite S, factored once: by Cholesky, or, if after
/// rounding S + λI is not positive definite, by the eigendecomposition with negative eigenvalues
/// set to zero.
class ShiftedInverse {
 public:
  /// Reads the lower triangle of `s` [n,n] double. λ > 0.
  ShiftedInverse(const Tensor& s, double shift);
  Tensor operator()(const Tensor& b) const;  // [n,k] double -> [n,k]

 private:
  std::optional<Cholesky> cholesky_;
  Tensor vectors_, reciprocal_;  // [n,n], [n,1]: the fallback; defined when there is no factor
};

}  // namespace patina
