// The small layers: linear, layer norm, embedding, and how new weights are initialised.
#pragma once

#include "patina/base/random.h"
#include "patina/kernels/functions.h"
#include "patina/nn/block_shape.h"
#include "patina/nn/module.h"

namespace patina::nn {

/// y = x Wᵀ + b.  weight [out,in], bias [out] or undefined. The weight of a frozen layer may be
/// stored in another form than floats: then `weight` is its bytes, which `form` explains.
struct Linear {
  Tensor weight, bias;
  kernels::WeightForm form;

  Linear() = default;
  Linear(int64_t in, int64_t out, bool with_bias = true);  // uninitialised
  Tensor operator()(const Tensor& x) const;                // [..., in] -> [..., out]
  /// The layer of rows [from, to) of the weight, which it shares.
  Linear part(int64_t from, int64_t to) const;
  bool stored() const { return form.stored(); }
  kernels::StoredWeight stored_weight() const { return {weight, form}; }
  void walk(Walk& w);
};

using kernels::LinearEnd;

/// act(x Wᵀ + b) + add in the precision of x: [..., in] -> [..., out]. If x is bf16, the kernels
/// compute it, with fp32 weights, which may require gradients.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const LinearEnd& end = {});

/// LayerNorm over the last dimension, or RMSNorm (Zhang and Sennrich, 2019), which subtracts no
/// mean and has no bias. Statistics are in fp32. weight, bias [width].
struct Norm {
  Tensor weight, bias;
  double eps = 1e-6;
  bool rms = false;
  bool around_one = false;  // the factors are 1 + weight

  Norm() = default;
  Norm(int64_t width, double eps, bool rms = false);  // initialised to the identity: ones and zeros
  /// A norm of the kind that a block has.
  Norm(int64_t width, const BlockShape& shape);
  Tensor operator()(const Tensor& x) const;
  /// What the normalised numbers are multiplied by: [width].
  Tensor factors() const;
  void walk(Walk& w);
};

/// Looks up rows of a table by id. weight [rows,width], or stored in another form as that of a
/// linear layer.
struct Embedding {
  Tensor weight;
  kernels::WeightForm form;

  Embedding() = default;
  Embedding(int64_t rows, int64_t width);      // uninitialised
  Tensor operator()(const Tensor& ids) const;  // [...] int64 -> [...,width]
  int64_t rows() const { return form.stored() ? form.rows() : weight.size(0); }
  void walk(Walk& w) { w("weight", weight, form); }
};

Tensor activate(Activation activation, const Tensor& x);

// Random numbers are drawn on the host, so they are the same for every device.

/// Fills t from N(0, deviation²) truncated at two deviations (timm's trunc_normal_ for
/// transformers).
void init_truncated_normal(Tensor& t, Random& random, double deviation = 0.02);
void init_normal(Tensor& t, Random& random, double mean, double deviation);
void init_uniform(Tensor& t, Random& random, double bound);  // in [-bound, bound)
void init_uniform(Tensor& t, Random& random, double low, double high);
/// PyTorch's default for linear weights: U(-1/sqrt(in), 1/sqrt(in)), in = the last dimension.
void init_kaiming(Tensor& t, Random& random);

}  // namespace patina::nn
