// The kernels as operations on tensors, with their backward: what the frozen engine computes with.
// Tensors of "rows" are bf16 or float and contiguous in their last dimension; sums are in fp32.
// A row of a result depends on the same row of the arguments only.
#pragma once

#include <memory>

#include "patina/kernels/activation.h"
#include "patina/tensor.h"

namespace patina::kernels {

/// A weight in tiles: for the forward, and for the backward once that is asked for. Thread-safe.
class PackedWeight {
 public:
  /// weight [N,K...] float, read as [N, the rest]; bias [N] or undefined. Neither is kept. `type`
  /// is what products read: bf16 or float.
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

/// What is done to a product besides x Wᵀ + b.
struct LinearEnd {
  Activation activation = Activation::none;
  Tensor add;         // [..,N] float: added to the result, which is then float
  bool wide = false;  // the result is float, not bf16
};

/// act(x Wᵀ + b) + add in the type of `packed`, weight's and bias's packed form, or, where that is
/// null, packed for this call, in bf16: [..,N]. x [..,K] is rounded unless it is bf16 already, and
/// may then be followed by zeros up to a multiple of 32. Gradients reach x, `add`, and weight
/// [N,K...] and bias where they take any.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end = {},
              std::shared_ptr<const PackedWeight> packed = nullptr);

/// A layer whose weight takes no gradient.
struct FrozenLinear {
  Tensor weight;
  std::shared_ptr<const PackedWeight> packed;
};

/// second(act(first(x))) + end.add, in the type of both packs; the end's activation is not used.
/// The same numbers as two calls of `linear`, but what lies between the layers is never in memory
/// for more than some rows. x [..,K] as `linear` reads it.
Tensor mlp(const Tensor& x, const FrozenLinear& first, const FrozenLinear& second,
           Activation activation, const LinearEnd& end = {});

/// LayerNorm or RMSNorm over the last dimension of x, float, into `type` (float or bf16). weight
/// and bias (undefined for RMSNorm) are frozen: they get no gradient.
Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool rms,
            at::ScalarType type);

/// Softmax attention in `type`, bf16 or float. query [B,H,T,d], key and value [B,Hk,S,d] (views of
/// any stride whose last dimension is contiguous), bias [B|1,H|1,T|1,S] float or undefined, without
/// gradient; scores are multiplied by `scale`. [B,T,H*d] of `type`.
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
              double scale, at::ScalarType type);

/// How queries, keys and values lie in the rows of one tensor, side by side and head by head.
struct Heads {
  int64_t queries = 0, keys = 0, size = 0;  // heads of each kind, and numbers of a head
};
/// The same of queries, keys and values that are the rows of `mixed` [B,T,(queries + 2 keys) size].
/// Their gradients are made where the gradient of `mixed` lies.
Tensor attend_within(const Tensor& mixed, const Heads& heads, const Tensor& bias, double scale,
                     at::ScalarType type);

/// Count the products of x Wᵀ for that many rows, and of an attention: see flops().
void count_linear(int64_t rows, const Tensor& x, const Tensor& weight);
void count_attention(const Tensor& query, const Tensor& key, const Tensor& value);

/// Squares of side p from images [B,3,H,W], row by row, as a patch embedding reads them: [B,T,3pp]
/// of `type`, in bf16 with zeros up to a multiple of 32. Without gradient.
Tensor patches(const Tensor& images, int64_t p, at::ScalarType type);

/// act(x), in x's type.
Tensor activate(Activation activation, const Tensor& x);
/// act(g) * u of [g, u] = x [..,2h], in x's type: [..,h].
Tensor gate(Activation activation, const Tensor& x);

}  // namespace patina::kernels
