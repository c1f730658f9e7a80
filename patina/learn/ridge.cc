#include "patina/learn/ridge.h"

#include <limits>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

Tensor one_hot(const Tensor& targets, int64_t classes, at::ScalarType type) {
  return at::one_hot(targets, classes).to(type);
}

namespace {

// (S + λI)⁻¹ B for a symmetric positive semi-definite S. Cholesky; where rounding has left S + λI
// not positive definite, the eigendecomposition with negative eigenvalues taken as zero.
Tensor solve_shifted(const Tensor& s, const Tensor& b, double penalty) {
  Tensor shifted = s.clone();
  shifted.diagonal().add_(penalty);
  const auto [factor, info] = at::linalg_cholesky_ex(shifted);
  if (info.item<int>() == 0) {
    const Tensor half = at::linalg_solve_triangular(factor, b, /*upper=*/false);
    return at::linalg_solve_triangular(factor.mT(), half, /*upper=*/true);
  }
  const auto [values, vectors] = at::linalg_eigh(s);
  return at::matmul(vectors,
                    at::matmul(vectors.t(), b) / (values.clamp_min(0) + penalty).unsqueeze(1));
}

}  // namespace

void RidgeStatistics::add(const Tensor& features, const Tensor& targets, int64_t classes) {
  NoGrad no_grad;
  const int64_t dims = features.size(1);
  classes_ = std::max(classes_, classes);
  samples_ += features.size(0);
  const auto accumulate = [&](const Tensor& rows, const Tensor& rows_targets) {
    const Tensor h = rows.to(at::kDouble);
    gram_.addmm_(h.t(), h);
    products_.add_(at::matmul(h.t(), one_hot(rows_targets, classes_, at::kDouble)));
  };
  if (dual()) {
    rows_ = rows_.defined() ? at::cat({rows_, features}) : features.clone();
    targets_ = targets_.defined() ? at::cat({targets_, targets}) : targets.clone();
    if (samples_ < dims) return;
    gram_ = at::zeros({dims, dims}, at::kDouble);
    products_ = at::zeros({dims, classes_}, at::kDouble);
    accumulate(rows_, targets_);
    rows_ = targets_ = Tensor();
    return;
  }
  if (products_.size(1) < classes_)
    products_ =
        at::cat({products_, at::zeros({dims, classes_ - products_.size(1)}, at::kDouble)}, 1);
  accumulate(features, targets);
}

Tensor RidgeStatistics::solve(double penalty) const {
  NoGrad no_grad;
  PATINA_CHECK(samples_ > 0, "ridge without samples");
  if (!dual()) return solve_shifted(gram_, products_, penalty).to(at::kFloat);
  const Tensor h = rows_.to(at::kDouble);
  const Tensor outputs = one_hot(targets_, classes_, at::kDouble);
  return at::matmul(h.t(), solve_shifted(at::matmul(h, h.t()), outputs, penalty)).to(at::kFloat);
}

RidgePath::RidgePath(const Tensor& features, const Tensor& outputs) {
  NoGrad no_grad;
  const Tensor h = features.to(at::kDouble), y = outputs.to(at::kDouble);
  if (h.size(0) < h.size(1)) {
    const auto [values, vectors] = at::linalg_eigh(at::matmul(h, h.t()));
    basis_ = at::matmul(h.t(), vectors);
    coordinates_ = at::matmul(vectors.t(), y);
    eigenvalues_ = values.clamp_min(0);
  } else {
    const auto [values, vectors] = at::linalg_eigh(at::matmul(h.t(), h));
    basis_ = vectors;
    coordinates_ = at::matmul(vectors.t(), at::matmul(h.t(), y));
    eigenvalues_ = values.clamp_min(0);
  }
}

Tensor RidgePath::weights(double penalty) const {
  return at::matmul(basis_, coordinates_ / (eigenvalues_ + penalty).unsqueeze(1));
}

Tensor RidgePath::prepare(const Tensor& features) const {
  return at::matmul(features.to(at::kDouble), basis_);
}

Tensor RidgePath::predict(const Tensor& prepared, double penalty) const {
  return at::matmul(prepared, coordinates_ / (eigenvalues_ + penalty).unsqueeze(1));
}

double choose_penalty(const std::vector<double>& grid, const Tensor& features,
                      const Tensor& outputs, const Tensor& held_out_features,
                      const Tensor& held_out_outputs) {
  NoGrad no_grad;
  const RidgePath path(features, outputs);
  const Tensor prepared = path.prepare(held_out_features);
  const Tensor wanted = held_out_outputs.to(at::kDouble);
  double best = grid.front(), least = std::numeric_limits<double>::infinity();
  for (const double penalty : grid) {
    const double error = at::mse_loss(path.predict(prepared, penalty), wanted).item<double>();
    if (error < least) {
      least = error;
      best = penalty;
    }
  }
  return best;
}

}  // namespace patina
