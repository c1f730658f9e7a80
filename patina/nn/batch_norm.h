// Batch normalisation (Ioffe and Szegedy, ICML 2015), for small convolutional networks.
#pragma once

#include "patina/nn/module.h"

namespace patina::nn {

/// Normalises each channel of [B,C,H,W]. If gradients are enabled and the layer requires them, with
/// the batch's mean and variance, which also update the running statistics; otherwise with the
/// running statistics, so that a sample's result depends on no other.
struct BatchNorm {
  Tensor weight, bias;               // [C]
  Tensor running_mean, running_var;  // [C] statistics
  double momentum = 0.1, eps = 1e-5;

  BatchNorm() = default;
  explicit BatchNorm(int64_t channels);
  Tensor operator()(const Tensor& x) const;
  void walk(Walk& w);
};

/// While an instance lives, this thread's batch norms use their running statistics even if
/// gradients are enabled: for gradients of single samples.
class FixedStatistics {
 public:
  FixedStatistics();
  ~FixedStatistics();
  FixedStatistics(const FixedStatistics&) = delete;
  FixedStatistics& operator=(const FixedStatistics&) = delete;

 private:
  bool before_;
};

}  // namespace patina::nn
