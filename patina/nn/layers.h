// The small layers: linear, layer norm, and how fresh weights are drawn.
#pragma once

#include "patina/base/random.h"
#include "patina/nn/module.h"

namespace patina::nn {

/// y = x Wᵀ + b.  weight [out,in], bias [out] or undefined.
struct Linear {
  Tensor weight, bias;

  Linear() = default;
  Linear(int64_t in, int64_t out, bool with_bias = true);  // uninitialised
  Tensor operator()(const Tensor& x) const;                // [..., in] -> [..., out]
  void walk(Walk& w);
};

/// Normalises the last dimension, statistics in fp32.  weight, bias [width].
struct LayerNorm {
  Tensor weight, bias;
  double eps = 1e-6;

  LayerNorm() = default;
  LayerNorm(int64_t width, double eps);  // the identity: ones and zeros
  Tensor operator()(const Tensor& x) const;
  void walk(Walk& w);
};

/// Fills from N(0, deviation²) cut at two deviations (timm's trunc_normal_ for transformers).
void init_truncated_normal(Tensor& t, Random& random, double deviation = 0.02);
void init_normal(Tensor& t, Random& random, double mean, double deviation);
void init_uniform(Tensor& t, Random& random, double bound);
/// PyTorch's default for a linear weight: U(-1/sqrt(in), 1/sqrt(in)) with in = the last dimension.
void init_kaiming(Tensor& t, Random& random);

}  // namespace patina::nn
