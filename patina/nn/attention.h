// Attention for every model family: padding, causal masks, windows, prefixes, grouped keys, rotary
// or relative positions, distances as content, cached keys, cross-attention.
#pragma once

#include "patina/nn/block_shape.h"
#include "patina/nn/layers.h"
#include "patina/nn/pass.h"

namespace patina::nn {

/// softmax(q kᵀ / sqrt(d) + bias) v in H heads of size d. Keys and values may have fewer heads,
/// each shared by H/Hk query heads (Ainslie et al., 2023). Queries and keys may be normalised in
/// each head (Henry et al., 2020) before they turn.
struct Attention {
  Linear qkv;   // [(H + 2 Hk) d, D]: rows of the queries, the keys, the values
  Linear proj;  // [D, H d]
  int64_t heads = 1, key_heads = 1, size = 0;  // H, Hk, d
  Norm query_norm, key_norm;                   // [d], or none
  Norm norm;                                   // [H d], of what `proj` reads, or none
  double scale = 1, cap = 0;
  Rotary rotary;
  Disentangled disentangled;
  Linear distance_query, distance_key;  // [H d, D], or none
  int64_t window = 0;

  Attention() = default;
  explicit Attention(const BlockShape& shape);
  /// Self-attention without the output projection: x [B,T,D] -> [B,R,H*d], for the R tokens that
  /// the pass still reads. Prefixes lengthen keys and values, never queries.
  Tensor operator()(const Tensor& x, int layer, Pass& pass) const;
  /// Cross-attention: queries of x [B,R,D] over the encoder's output. No adaptation acts here.
  Tensor over_encoded(const Tensor& x, int layer, Pass& pass) const;
  void walk(Walk& w);

 private:
  Tensor attended(const Tensor& x, int layer, Pass& pass) const;  // before `norm`
  Tensor split(const Tensor& t) const;                            // [B,T,h*d] -> [B,h,T,d]
  /// Whether scores need no more of queries and keys than one product returns.
  bool plain() const {
    return !rotary.turns() && !query_norm.weight.defined() && cap == 0 && !disentangled.on();
  }
  /// What disentangled attention adds to the scores of queries [B,H,R,d] over keys [B,H,T,d]:
  /// [B,H,R,T].
  Tensor distance_scores(const Tensor& query, const Tensor& key, int layer, Pass& pass) const;
  int64_t query_width() const { return heads * size; }
  int64_t key_width() const { return key_heads * size; }
};

}  // namespace patina::nn
