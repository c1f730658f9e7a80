#include "patina/nn/batch_norm.h"

#include "patina/ops.h"

namespace patina::nn {

namespace {
thread_local bool fixed_statistics = false;
}  // namespace

BatchNorm::BatchNorm(int64_t channels)
    : weight(at::ones({channels})),
      bias(at::zeros({channels})),
      running_mean(at::zeros({channels})),
      running_var(at::ones({channels})) {}

Tensor BatchNorm::operator()(const Tensor& x) const {
  const bool learning = !fixed_statistics && at::GradMode::is_enabled() && weight.requires_grad();
  return at::batch_norm(x, weight, bias, running_mean, running_var, learning, momentum, eps, false);
}

void BatchNorm::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
  w.statistic("running_mean", running_mean);
  w.statistic("running_var", running_var);
}

FixedStatistics::FixedStatistics() : before_(std::exchange(fixed_statistics, true)) {}

FixedStatistics::~FixedStatistics() {
  fixed_statistics = before_;
}

}  // namespace patina::nn
