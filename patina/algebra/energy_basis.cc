#include "patina/algebra/energy_basis.h"

#include "patina/algebra/linear_algebra.h"
#include "patina/ops.h"

namespace patina {

Tensor outside(const Tensor& basis, const Tensor& x) {
  if (!basis.defined()) return x;
  const Tensor m = basis.to(x.dtype());
  return x - m.matmul(m.t().matmul(x));
}

Tensor leading_directions(const Tensor& c, int64_t count) {
  return right_singular_rows(c.t(), count).t();
}

Tensor extended_basis(const Tensor& basis, const Tensor& moment, double energy) {
  constexpr double kRounding = 1e-12;  // of σ², relative to their sum
  const double all = moment.square().sum().item<double>();
  if (all == 0) return basis;
  const Tensor left = outside(basis, moment);
  const Tensor directions = leading_directions(left, left.size(0));
  const Tensor strengths = left.t().matmul(directions).square().sum(0);  // σ²
  double held = all - left.square().sum().item<double>();
  Tensor grown = basis;
  for (int64_t k = 0; k < directions.size(1) && held < energy * all; ++k) {
    const double strength = strengths[k].item<double>();
    if (strength <= kRounding * all) break;
    held += strength;
    // Rounding leaves a part along the basis, the larger the weaker the direction is.
    Tensor direction = directions.slice(1, k, k + 1);
    for (int pass = 0; pass < 2; ++pass) direction = outside(grown, direction);
    direction = direction / direction.norm();
    grown = grown.defined() ? at::cat({grown, direction}, 1) : direction;
  }
  // The strides of a stored one, so that products with it have the same bits.
  return grown.defined() ? grown.clone(at::MemoryFormat::Contiguous) : grown;
}

}  // namespace patina
