#include "patina/algebra/transport.h"

#include <cmath>

#include "patina/ops.h"

namespace patina {

namespace {
constexpr int kIterations = 1000;
constexpr double kTolerance = 1e-9;
}  // namespace

// log Γ = log K + u 1ᵀ + 1 vᵀ with K = exp(-cost / regularization).
Tensor sinkhorn(const Tensor& cost, double regularization) {
  NoGrad no_grad;
  const double log_row = -std::log(double(cost.size(0)));
  const double log_column = -std::log(double(cost.size(1)));
  Tensor log_plan = cost.to(at::kDouble) / -regularization;
  for (int i = 0; i < kIterations; ++i) {
    log_plan = log_plan - at::logsumexp(log_plan, 1, /*keepdim=*/true) + log_row;
    log_plan = log_plan - at::logsumexp(log_plan, 0, /*keepdim=*/true) + log_column;
    const Tensor off = (log_plan.exp().sum(1) - std::exp(log_row)).abs().max();
    if (off.item<double>() < kTolerance) break;
  }
  return log_plan.exp();
}

}  // namespace patina
