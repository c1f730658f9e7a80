#include "patina/algebra/subspace.h"

#include <algorithm>

#include "patina/algebra/linear_algebra.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Singular values below this part of the largest are rounding's.
constexpr double kRounding = 1e-7;

// Right singular vectors as rows, largest first, and their squared singular values. From the
// eigenvectors of xᵀx.
struct Directions {
  Tensor rows;     // [D,D]
  Tensor squares;  // [D], not negative, descending
};
Directions directions(const Tensor& x) {
  const Tensor columns = x.detach().to(at::kDouble).t();
  const auto [squares, vectors] = at::linalg_eigh(symmetric_product(columns.contiguous()));
  return {vectors.t().flip({0}).contiguous(), squares.flip({0}).clamp_min(0)};
}

// How many of the largest squares add up to `wanted`.
int64_t fewest(const Tensor& squares, double wanted) {
  const Tensor sums = squares.cumsum(0);
  return std::min(squares.size(0), (sums < wanted).sum().item<int64_t>() + 1);
}

// How many of the largest are above rounding, for a largest singular value of `scale`.
int64_t real_ones(const Tensor& squares, double scale) {
  return (squares > scale * scale * kRounding * kRounding).sum().item<int64_t>();
}

double largest(const Tensor& squares) {
  return std::sqrt(squares[0].item<double>());
}

}  // namespace

Tensor outside_rows(const Tensor& x, const Tensor& basis) {
  NoGrad no_grad;
  Tensor rest = x.detach().to(at::kDouble);
  if (!basis.defined() || basis.size(0) == 0) return rest;
  const Tensor rows = basis.to(at::kDouble);
  // Twice is enough: the first time leaves what rounding left.
  for (int pass = 0; pass < 2; ++pass) rest = rest - rest.matmul(rows.t()).matmul(rows);
  return rest;
}

Tensor leading_rows(const Tensor& x, int64_t count, double scale) {
  NoGrad no_grad;
  const auto [rows, squares] = directions(x);
  Tensor leading = at::zeros({count, rows.size(1)}, rows.options());
  const int64_t real = std::min(count, real_ones(squares, scale > 0 ? scale : largest(squares)));
  leading.slice(0, 0, real).copy_(rows.slice(0, 0, real));
  return leading;
}

Tensor main_rows(const Tensor& x, double energy) {
  NoGrad no_grad;
  const auto [rows, squares] = directions(x);
  const double all = squares.sum().item<double>();
  if (all == 0) return rows.slice(0, 0, 0);
  const int64_t count =
      std::min(fewest(squares, energy * all), real_ones(squares, largest(squares)));
  return rows.slice(0, 0, count).contiguous();
}

Tensor extended_rows(const Tensor& basis, const Tensor& moment, double energy) {
  NoGrad no_grad;
  if (!basis.defined()) return main_rows(moment, energy);
  const auto whole = directions(moment);
  // Rows of C outside the subspace: C is symmetric, so these are the columns of (I - BᵀB) C.
  const auto rest = directions(outside_rows(moment, basis));
  const double all = whole.squares.sum().item<double>(), left = rest.squares.sum().item<double>();
  const double missing = energy * all - (all - left);
  if (missing <= 0) return basis;
  const int64_t count =
      std::min({fewest(rest.squares, missing), real_ones(rest.squares, largest(whole.squares)),
                basis.size(1) - basis.size(0)});
  const Tensor added = rest.rows.slice(0, 0, count);
  return at::cat({basis.to(at::kDouble), added});
}

}  // namespace patina
