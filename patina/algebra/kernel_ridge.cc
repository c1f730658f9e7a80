#include "patina/algebra/kernel_ridge.h"

#include "patina/algebra/ridge.h"
#include "patina/ops.h"

namespace patina {

Tensor KernelRidge::kernel(const Tensor& a, const Tensor& b) const {
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const Tensor squared =
      x.square().sum(1).unsqueeze(1) + y.square().sum(1).unsqueeze(0) - at::matmul(x, y.t()) * 2;
  return at::exp(squared.clamp_min(0) * -gamma_);
}

// [[A, B], [Bᵀ, C]] = [[L, 0], [Hᵀ, M]] [[L, 0], [Hᵀ, M]]ᵀ with H = L⁻¹ B and M Mᵀ = C - Hᵀ H.
void KernelRidge::add(const Tensor& features, const Tensor& targets, int64_t classes) {
  NoGrad no_grad;
  classes_ = classes;
  Tensor corner = kernel(features, features);
  corner.diagonal().add_(penalty_);
  if (rows_.defined()) {
    const Tensor half = at::linalg_solve_triangular(factor_, kernel(rows_, features), false);
    corner = at::linalg_cholesky(corner - at::matmul(half.t(), half));
    const Tensor above = at::zeros({factor_.size(0), corner.size(1)}, corner.options());
    factor_ = at::cat({at::cat({factor_, above}, 1), at::cat({half.t(), corner}, 1)});
    rows_ = at::cat({rows_, features.to(at::kFloat)});
    targets_ = at::cat({targets_, targets});
  } else {
    factor_ = at::linalg_cholesky(corner);
    rows_ = features.to(at::kFloat).clone();
    targets_ = targets.clone();
  }
  solve();
}

void KernelRidge::merge(const KernelRidge& other, const std::vector<int64_t>& numbers,
                        int64_t classes) {
  if (!other.rows_.defined()) return;
  const Tensor here = tensor_of(numbers, other.targets_.device());
  add(other.rows_, here.index_select(0, other.targets_), classes);
}

void KernelRidge::solve() {
  if (!factor_.defined()) return;
  const Tensor half =
      at::linalg_solve_triangular(factor_, one_hot(targets_, classes_, at::kDouble), false);
  weights_ = at::linalg_solve_triangular(factor_.t(), half, true);
}

Tensor KernelRidge::operator()(const Tensor& features) const {
  return at::matmul(kernel(features, rows_), weights_).to(at::kFloat);
}

}  // namespace patina
