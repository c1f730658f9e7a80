#include "patina/algebra/ridge.h"

#include <algorithm>
#include <limits>

#include "patina/algebra/linear_algebra.h"
#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

constexpr double kResidual = 1e-8;  // of each class's outputs: the resolution of float weights
constexpr int kMostSteps = 8;

// a / b, zero where both are zero: a class without samples needs no solution.
Tensor quotient(const Tensor& a, const Tensor& b) {
  return a / b.clamp_min(std::numeric_limits<double>::min());
}

// `old` padded with zero rows and columns.
Tensor grown(const Tensor& old, int64_t rows, int64_t columns, at::TensorOptions options) {
  Tensor all = at::zeros({rows, columns}, options);
  if (old.defined()) all.slice(0, 0, old.size(0)).slice(1, 0, old.size(1)).copy_(old);
  return all;
}

// Hᵀ (HHᵀ + λI)⁻¹ Y by conjugate gradients on the samples in double, preconditioned by the Cholesky
// factor of the float kernel. Each step gains as many correct digits as the kernel has, so two or
// three steps are enough. Returns nothing if the penalty is too small: the factor does not exist,
// or kMostSteps steps do not reach kResidual. rows [n,M], kernel [n,n], outputs [n,K].
std::optional<Tensor> refined_weights(const Tensor& rows, const Tensor& kernel,
                                      const Tensor& outputs, double penalty) {
  const std::optional<Cholesky> rough = Cholesky::of(kernel, penalty);
  if (!rough) return {};
  const Tensor weights = at::zeros({rows.size(1), outputs.size(1)}, outputs.options());
  const Tensor residual = outputs.clone(), bound = outputs.norm(2, 0) * kResidual;
  Tensor direction, before;
  for (int step = 0; step < kMostSteps; ++step) {
    const Tensor guess = (*rough)(residual.to(at::kFloat)).to(at::kDouble);
    const Tensor now = (residual * guess).sum(0);
    direction = step == 0 ? guess : guess + direction * quotient(now, before);
    before = now;
    const Tensor lifted = at::zeros_like(weights), image = direction * penalty;
    add_product(lifted, rows.t(), direction.t());
    add_product(image, rows, lifted.t());
    const Tensor length = quotient(now, (direction * image).sum(0));
    weights.add_(lifted * length);
    residual.sub_(image * length);
    if ((residual.norm(2, 0) <= bound).all().item<bool>()) return weights;
  }
  return {};
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
  become_primal(dims, features.options());
  add_primal(features, targets);
}

void RidgeStatistics::become_primal(int64_t dims, const at::TensorOptions& options) {
  gram_ = at::zeros({dims, dims}, options.dtype(at::kDouble));
  kernel_ = Tensor();
  if (rows_.defined()) add_primal(rows_, targets_);
  rows_ = targets_ = Tensor();
}

void RidgeStatistics::merge(const RidgeStatistics& other, const std::vector<int64_t>& numbers,
                            int64_t classes) {
  NoGrad no_grad;
  if (other.samples_ == 0) return;
  const auto& known = other.dual() ? other.rows_ : other.gram_;
  const Tensor here = tensor_of(numbers, known.device());
  if (other.dual()) return add(other.rows_, here.index_select(0, other.targets_), classes);
  classes_ = std::max(classes_, classes);
  const int64_t dims = other.gram_.size(0);
  if (dual()) become_primal(dims, other.gram_.options());
  samples_ += other.samples_;
  gram_.add_(other.gram_);
  products_ = grown(products_, dims, classes_, gram_.options());
  products_.index_add_(1, here.slice(0, 0, other.products_.size(1)), other.products_);
}

void RidgeStatistics::add_dual(const Tensor& features, const Tensor& targets) {
  const int64_t old = samples_ - features.size(0);
  kernel_ = grown(kernel_, samples_, samples_, features.options().dtype(at::kFloat));
  const Tensor fresh = kernel_.slice(0, old);
  if (rows_.defined()) add_product(fresh.slice(1, 0, old), features, rows_);
  add_lower_product(fresh.slice(1, old), features);
  rows_ = appended(rows_, features);
  targets_ = appended(targets_, targets);
}

void RidgeStatistics::add_primal(const Tensor& features, const Tensor& targets) {
  if (!products_.defined() || products_.size(1) < classes_)
    products_ = grown(products_, features.size(1), classes_, features.options().dtype(at::kDouble));
  add_lower_product(gram_, features.t());
  add_product(products_, features.t(), one_hot(targets, classes_, at::kDouble).t());
}

Tensor RidgeStatistics::solve(double penalty) const {
  NoGrad no_grad;
  PATINA_REQUIRE(samples_ > 0, "ridge without samples");
  if (!dual()) return ShiftedInverse(gram_, penalty)(products_).to(at::kFloat);
  const Tensor outputs = one_hot(targets_, classes_, at::kDouble);
  if (const auto weights = refined_weights(rows_, kernel_, outputs, penalty))
    return weights->to(at::kFloat);
  const Tensor coefficients = ShiftedInverse(symmetric_product(rows_), penalty)(outputs);
  const Tensor weights = at::zeros({rows_.size(1), classes_}, outputs.options());
  add_product(weights, rows_.t(), coefficients.t());
  return weights.to(at::kFloat);
}

Tensor RidgeStatistics::last_kernel(int64_t count) const {
  PATINA_REQUIRE(dual() && count <= samples_, "no products of these samples");
  const int64_t first = samples_ - count;
  return mirrored(kernel_.slice(0, first).slice(1, first));
}

RidgeTrial::RidgeTrial(const Tensor& gram, const Tensor& products, const Tensor& cross,
                       const Tensor& wanted)
    : form_(gram),
      basis_(form_.across(cross)),
      coordinates_(form_.into(products)),
      wanted_(wanted) {}

RidgeTrial RidgeTrial::dual(const Tensor& kernel, const Tensor& outputs, int64_t fitted) {
  NoGrad no_grad;
  const Tensor y = outputs.to(kernel.scalar_type()), columns = kernel.slice(1, 0, fitted);
  return {columns.slice(0, 0, fitted), y.slice(0, 0, fitted), columns.slice(0, fitted),
          y.slice(0, fitted)};
}

RidgeTrial RidgeTrial::primal(const Tensor& features, const Tensor& outputs, int64_t fitted) {
  NoGrad no_grad;
  const Tensor h = features.slice(0, 0, fitted), y = outputs.to(at::kDouble);
  const Tensor gram = at::zeros({h.size(1), h.size(1)}, y.options());
  const Tensor products = at::zeros({h.size(1), y.size(1)}, y.options());
  add_lower_product(gram, h.t());
  add_product(products, h.t(), y.slice(0, 0, fitted).t());
  return {gram, products, features.slice(0, fitted).to(at::kDouble), y.slice(0, fitted)};
}

std::optional<Tensor> RidgeTrial::predict(double penalty) const {
  NoGrad no_grad;
  const std::optional<Tensor> solution = form_.solve(penalty, coordinates_);
  if (!solution) return {};
  return at::matmul(basis_, *solution);
}

double RidgeTrial::error(double penalty) const {
  const std::optional<Tensor> predicted = predict(penalty);
  if (!predicted) return std::numeric_limits<double>::infinity();
  return at::mse_loss(*predicted, wanted_).item<double>();
}

double choose_penalty(const std::vector<double>& grid, const RidgeTrial& trial) {
  std::vector<double> errors(grid.size());
  in_parallel(int64_t(grid.size()), 1, [&](int64_t from, int64_t end) {
    for (auto i = size_t(from); i < size_t(end); ++i) errors[i] = trial.error(grid[i]);
  });
  return grid[size_t(std::ranges::min_element(errors) - errors.begin())];
}

}  // namespace patina
