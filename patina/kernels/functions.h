// The kernels as tensor operations with backward: what the packed engine computes with. "Rows" are
// bf16 or float and contiguous in the last dimension; sums are in fp32. Each result row depends
// only on the same row of the arguments.
#pragma once

#include <memory>

#include "patina/kernels/activation.h"
#include "patina/tensor.h"

namespace patina::kernels {

/// A weight packed into tiles: for the forward pass at once, for the backward pass when first
/// needed. Thread-safe.
class PackedWeight {
 public:
  /// weight [N,K...] float, read as [N, product of the rest]; bias [N] or undefined. Both are
  /// copied. `type` (bf16 or float) is the type that products read.
  PackedWeight(const Tensor& weight, const Tensor& bias, at::ScalarType type);
  ~PackedWeight();

  int64_t n() const;
  int64_t k() const;
  at::ScalarType type() const;

  struct Parts;
  const Parts& parts() const { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

/// What follows x Wᵀ + b in the same kernel.
struct LinearEnd {
  Activation activation = Activation::none;
  Tensor add;         // [..,N] float, added to the result, which is then float
  bool wide = false;  // return float instead of bf16
};

/// act(x Wᵀ + b) + add: [..,N], in the type of `packed`, the packed form of weight and bias. If
/// `packed` is null, they are packed for this call, in bf16. x [..,K] is rounded to bf16 if
/// necessary; if it is bf16 already, its rows may be padded with zeros to a multiple of 32.
/// Gradients reach x, `add`, weight [N,K...] and bias, as far as they require them.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end = {},
              std::shared_ptr<const PackedWeight> packed = nullptr);

/// A layer whose weight requires no gradient.
struct FrozenLinear {
  Tensor weight;
  std::shared_ptr<const PackedWeight> packed;
};

/// second(act(first(x))) + end.add, in the type of both packed weights; `end.activation` is
/// ignored. The numbers equal those of two calls of `linear`, but only a few rows of the hidden
/// layer are in memory at a time. x [..,K] as for `linear`.
Tensor mlp(const Tensor& x, const FrozenLinear& first, const FrozenLinear& second,
           Activation activation, const LinearEnd& end = {});

/// LayerNorm or RMSNorm over the last dimension of x (float); the result is of `type` (float or
/// bf16). weight and bias (undefined for RMSNorm) are frozen: they receive no gradient.
Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool rms,
            at::ScalarType type);

/// Softmax attention in `type`, bf16 or float: [B,T,H*d]. query [B,H,T,d]; key and value
/// [B,Hk,S,d]: views of any strides, contiguous in the last dimension. bias [B|1,H|1,T|1,S] float
/// or undefined, without gradient. `scale` multiplies the scores s; a `cap` above 0 makes them
/// cap tanh(s / cap).
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
              double scale, at::ScalarType type, double cap = 0);

/// Layout of queries, keys and values packed into the rows of one tensor, head by head.
struct Heads {
  int64_t queries = 0, keys = 0, size = 0;  // number of heads of each kind, and numbers per head
};
/// Attention for queries, keys and values packed into `mixed` [B,T,(queries + 2 keys) size]. Their
/// gradients are written straight into the gradient of `mixed`.
Tensor attend_within(const Tensor& mixed, const Heads& heads, const Tensor& bias, double scale,
                     at::ScalarType type);

/// Add the products of x Wᵀ with this many rows, or of an attention, to flops().
void count_linear(int64_t rows, const Tensor& x, const Tensor& weight);
void count_attention(const Tensor& query, const Tensor& key, const Tensor& value);
/// Of products of all rows of a [B,H,T,d] with all rows of b [B|1,H,N,d].
void count_scores(const Tensor& a, const Tensor& b);

/// Square patches of side p of images [B,3,H,W], row by row, as a patch embedding reads them:
/// [B,T,3pp] of `type`. bf16 rows are padded with zeros to a multiple of 32. Without gradient.
Tensor patches(const Tensor& images, int64_t p, at::ScalarType type);

/// act(x), in the type of x.
Tensor activate(Activation activation, const Tensor& x);
/// act(g) * u with [g, u] = x [..,2h], in the type of x: [..,h].
Tensor gate(Activation activation, const Tensor& x);

}  // namespace patina::kernels
