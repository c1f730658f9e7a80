// The transformer block of all model families: attention and MLP around a residual stream.
#pragma once

#include "patina/nn/attention.h"

namespace patina::nn {

/// fc2(act(fc1(x))), or gated: fc2(act(g) * u) with [g, u] = fc1(x) (Shazeer, 2020).
struct Mlp {
  Linear fc1, fc2;  // gated: fc1 [2*hidden,D], the gate's rows first
  Norm norm;        // [hidden], of what fc2 reads, or none
  Activation activation = Activation::gelu;
  bool gated = false;

  Mlp() = default;
  explicit Mlp(const BlockShape& shape);
  /// The input of fc2: x [B,T,D] -> [B,T,hidden].
  Tensor hidden(const Tensor& x, int layer, const Pass& pass) const;
  void walk(Walk& w);
};

/// A learned factor per channel: timm's `ls1`, `ls2`.
struct LayerScale {
  Tensor gamma;
  Tensor operator()(const Tensor& x) const { return gamma.defined() ? x.mul(gamma) : x; }
  void walk(Walk& w) { w("gamma", gamma); }
};

/// Pre-norm: x + attn(norm1(x)), then x + mlp(norm2(x)); a bare block has no norm1. Post-norm:
/// norm1(x + attn(x)), then norm2(x + mlp(x)). A pre-norm block may normalise what it adds, too: x
/// + sum_norm1(attn(norm1(x))). The block of a decoder with an encoder (T5) has cross-attention
/// between the two.
struct Block {
  Norm norm1, norm_cross, norm2;
  Norm sum_norm1, sum_norm2;
  Attention attn, cross;
  Mlp mlp;
  LayerScale ls1, ls2;
  bool post_norm = false;

  Block() = default;
  explicit Block(const BlockShape& shape);
  /// The residual stream, [B,T,D] float -> [B,T,D]. T grows where an adaptation adds tokens, and
  /// shrinks in the last block to the tokens that are read.
  Tensor operator()(Tensor x, int layer, Pass& pass) const;
  void walk(Walk& w);
};

}  // namespace patina::nn
