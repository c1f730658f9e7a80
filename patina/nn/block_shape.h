// What distinguishes one family's block from another's.
#pragma once

#include <cstdint>

#include "patina/kernels/activation.h"
#include "patina/nn/rotary.h"

namespace patina::nn {

using patina::Activation;

/// The terms that disentangled attention adds to scores (He et al., ICLR 2021).
struct Disentangled {
  bool to_distances = false;  // queries over the keys of distances ("c2p")
  bool of_distances = false;  // the queries of distances over keys ("p2c")
  bool own_layers = false;    // those keys and queries have layers of their own, not the tokens'

  bool on() const { return to_distances || of_distances; }
};

struct BlockShape {
  int64_t width = 192;    // D
  int64_t heads = 3;      // H
  int64_t key_heads = 0;  // Hk, divides H; 0: as many as heads
  int64_t head_size = 0;  // d; 0: D / H
  int64_t hidden = 768;   // of the MLP
  bool qkv_bias = true;
  bool proj_bias = true;
  bool mlp_bias = true;
  bool layer_scale = false;  // learned factor per channel on each half's output (CaiT, DeiT III)
  bool post_norm = false;    // normalises after each sum (BERT) instead of before each half
  bool bare = false;         // attention reads the stream itself (ModernBERT's first block)
  bool norm_bias = true;     // of LayerNorm
  bool rms_norm = false;     // RMSNorm without bias instead of LayerNorm
  bool around_one = false;   // norms multiply by 1 + weight (Gemma)
  bool sum_norm = false;     // normalises what each half adds to the stream, too (Gemma 2)
  bool head_norm = false;    // normalises each head's queries and keys (Qwen3, Gemma 3)
  bool scaled = true;        // scores are divided by sqrt(d); not in T5
  double scaled_as = 0;      // as if d were this; 0: d
  double cap = 0;            // scores s become cap tanh(s / cap) (Gemma 2); 0: they stay
  bool gated = false;        // the MLP has a gate
  bool cross = false;        // cross-attention to an encoder between its halves
  Activation activation = Activation::gelu;
  Rotary rotary;
  Disentangled disentangled;
  int64_t window = 0;           // a query sees keys less than this many positions away; 0: all
  bool attention_norm = false;  // normalises what attention's output projection reads (EVA-02)
  bool mlp_norm = false;        // normalises what the MLP's last layer reads (EVA-02)
  double eps = 1e-6;

  int64_t size() const { return head_size > 0 ? head_size : width / heads; }
  int64_t query_width() const { return heads * size(); }
  int64_t key_width() const { return (key_heads > 0 ? key_heads : heads) * size(); }
  int64_t qkv_width() const { return query_width() + 2 * key_width(); }
  int64_t fc1_width() const { return gated ? 2 * hidden : hidden; }
};

}  // namespace patina::nn
