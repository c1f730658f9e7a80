// The transformer block every model family is made of: attention and MLP around a residual stream.
#pragma once

#include "patina/nn/adaptation.h"
#include "patina/nn/layers.h"

namespace patina::nn {

/// What distinguishes one family's block from another's.
struct BlockShape {
  int64_t width = 192;   // D
  int64_t heads = 3;     // H, divides D
  int64_t hidden = 768;  // of the MLP
  bool qkv_bias = true;
  bool layer_scale = false;  // a learned factor a channel on what each half adds (CaiT, DeiT III)
  double eps = 1e-6;
};

/// Multi-head self-attention; scale 1/sqrt(D/H). Names as timm: qkv [3D,D], proj [D,D].
struct Attention {
  Linear qkv, proj;
  int64_t heads = 1;

  Attention() = default;
  explicit Attention(const BlockShape& shape);
  /// x: norm1's output [B,T,D] -> [B,T,D]. Prefixes lengthen keys and values, never queries.
  Tensor operator()(const Tensor& x, int layer, const Adaptations& adaptations) const;
  void walk(Walk& w);
};

/// fc2(gelu(fc1(x))), exact (erf) GELU.
struct Mlp {
  Linear fc1, fc2;

  Mlp() = default;
  explicit Mlp(const BlockShape& shape);
  Tensor operator()(const Tensor& x, int layer, const Adaptations& adaptations) const;
  void walk(Walk& w);
};

/// timm's `ls1`, `ls2`.
struct LayerScale {
  Tensor gamma;
  Tensor operator()(const Tensor& x) const { return gamma.defined() ? x * gamma : x; }
  void walk(Walk& w) { w("gamma", gamma); }
};

/// Pre-norm: x + attn(norm1(x)), then x + mlp(norm2(x)).
struct Block {
  LayerNorm norm1, norm2;
  Attention attn;
  Mlp mlp;
  LayerScale ls1, ls2;

  Block() = default;
  explicit Block(const BlockShape& shape);
  Tensor operator()(Tensor x, int layer, const Adaptations& adaptations) const;
  void walk(Walk& w);
};

}  // namespace patina::nn
