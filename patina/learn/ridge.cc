#include "patina/learn/ridge.h"

#include <limits>

#include "patina/base/error.h"
#include "patina/learn/linear_algebra.h"
#include "patina/ops.h"

namespace patina {

namespace {

// `old` with zero columns or rows added on the right and below.
Tensor grown(const Tensor& old, int64_t rows, int64_t columns) {
  const Tensor all = at::zeros({rows, columns}, at::kDouble);
  if (old.defined()) all.slice(0, 0, old.size(0)).slice(1, 0, old.size(1)).copy_(old);
  return all;
}

Tensor appended(const Tensor& old, const Tensor& fresh) {
  return old.defined() ? at::cat({old, fresh}) : fresh.clone();
}

}  // namespace

Tensor one_hot(const Tensor& targets, int64_t classes, at::ScalarType type) {
  return at::one_hot(targets, classes).to(type);
}

void RidgeStatistics::add(const Tensor& features, const Tensor& targets, int64_t classes) {
  NoGrad no_grad;
  const int64_t dims = features.size(1);
  classes_ = std::max(classes_, classes);
  samples_ += features.size(0);
  if (!dual()) return add_primal(features, targets);
  if (samples_ < dims) return add_dual(features, targets);
  gram_ = at::zeros({dims, dims}, at::kDouble);
  kernel_ = Tensor();
  if (rows_.defined()) add_primal(rows_, targets_);
  rows_ = targets_ = Tensor();
  add_primal(features, targets);
}

void RidgeStatistics::add_dual(const Tensor& features, const Tensor& targets) {
  const int64_t old = samples_ - features.size(0);
  kernel_ = grown(kernel_, samples_, samples_);
  const Tensor fresh = kernel_.slice(0, old);
  if (rows_.defined()) add_product(fresh.slice(1, 0, old), features, rows_);
  add_lower_product(fresh.slice(1, old), features);
  rows_ = appended(rows_, features);
  targets_ = appended(targets_, targets);
}

void RidgeStatistics::add_primal(const Tensor& features, const Tensor& targets) {
  if (!products_.defined() || products_.size(1) < classes_)
    products_ = grown(products_, features.size(1), classes_);
  add_lower_product(gram_, features.t());
  add_product(products_, features.t(), one_hot(targets, classes_, at::kDouble).t());
}

Tensor RidgeStatistics::solve(double penalty) const {
  NoGrad no_grad;
  PATINA_CHECK(samples_ > 0, "ridge without samples");
  if (!dual()) return ShiftedInverse(gram_, penalty)(products_).to(at::kFloat);
  const Tensor outputs = one_hot(targets_, classes_, at::kDouble);
  const Tensor coefficients = ShiftedInverse(kernel_, penalty)(outputs);
  const Tensor weights = at::zeros({rows_.size(1), classes_}, at::kDouble);
  add_product(weights, rows_.t(), coefficients.t());
  return weights.to(at::kFloat);
}

Tensor RidgeStatistics::last_kernel(int64_t count) const {
  PATINA_CHECK(dual() && count <= samples_, "no products of these samples");
  const int64_t first = samples_ - count;
  return mirrored(kernel_.slice(0, first).slice(1, first));
}

RidgeTrial::RidgeTrial(const Tensor& gram, const Tensor& products, const Tensor& cross,
                       const Tensor& wanted)
    : wanted_(wanted) {
  const auto [values, vectors] = at::linalg_eigh(gram);
  basis_ = at::matmul(cross, vectors);
  coordinates_ = at::matmul(vectors.t(), products);
  eigenvalues_ = values.clamp_min(0).unsqueeze(1);
}

RidgeTrial RidgeTrial::dual(const Tensor& kernel, const Tensor& outputs, int64_t fitted) {
  NoGrad no_grad;
  const Tensor y = outputs.to(at::kDouble), columns = kernel.slice(1, 0, fitted);
  return {columns.slice(0, 0, fitted), y.slice(0, 0, fitted), columns.slice(0, fitted),
          y.slice(0, fitted)};
}

RidgeTrial RidgeTrial::primal(const Tensor& features, const Tensor& outputs, int64_t fitted) {
  NoGrad no_grad;
  const Tensor h = features.slice(0, 0, fitted), y = outputs.to(at::kDouble);
  const Tensor gram = at::zeros({h.size(1), h.size(1)}, at::kDouble);
  const Tensor products = at::zeros({h.size(1), y.size(1)}, at::kDouble);
  add_lower_product(gram, h.t());
  add_product(products, h.t(), y.slice(0, 0, fitted).t());
  return {gram, products, features.slice(0, fitted).to(at::kDouble), y.slice(0, fitted)};
}

Tensor RidgeTrial::predict(double penalty) const {
  return at::matmul(basis_, coordinates_ / (eigenvalues_ + penalty));
}

double RidgeTrial::error(double penalty) const {
  return at::mse_loss(predict(penalty), wanted_).item<double>();
}

double choose_penalty(const std::vector<double>& grid, const RidgeTrial& trial) {
  NoGrad no_grad;
  double best = grid.front(), least = std::numeric_limits<double>::infinity();
  for (const double penalty : grid) {
    const double error = trial.error(penalty);
    if (error < least) {
      least = error;
      best = penalty;
    }
  }
  return best;
}

}  // namespace patina
