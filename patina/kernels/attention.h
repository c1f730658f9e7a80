// Attention in one piece, forward and backward: bf16 or floats in and out, sums and softmax in
// fp32, and the probabilities never in memory for more than some queries of one head.
#pragma once

#include <cstdint>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

/// softmax(scale q kᵀ + bias) v in `heads` heads, of which each heads / key_heads neighbours share
/// a head of keys and values.
struct AttentionShape {
  int64_t batch = 0, heads = 0, key_heads = 0;
  int64_t queries = 0, keys = 0;  // T and S
  int64_t size = 0;               // of a head
  float scale = 1;                // above 0
  bool causal = false;            // query i sees the keys up to i + S - T

  int64_t units() const { return batch * key_heads; }
};

/// Element (sample, head, row, i) of a view: those of a row are neighbours.
template <class T>
struct Strided {
  T* data = nullptr;
  int64_t sample = 0, head = 0, row = 0;  // elements from one to the next

  T* at(int64_t b, int64_t h, int64_t t) const { return data + b * sample + h * head + t * row; }
};

/// Added to the scaled scores; kHidden or less hides a key. A step of 0 repeats; no data: none.
struct Bias {
  const float* data = nullptr;
  int64_t sample = 0, head = 0, query = 0, key = 0;
};

/// T is bf16 or float.
template <class T>
struct AttentionInputs {
  Strided<const T> q;     // [B,H,T,size]
  Strided<const T> k, v;  // [B,Hk,S,size]
  Bias bias;              // [B,H,T,S]
};

/// Units [first, last) of shape.units(): a unit is one sample's key head with its query heads, and
/// its results depend on nothing else. out [B,H,T,size]; log_sums [B,H,T], for the way back, may be
/// null. A query that sees no key gets zeros.
void attention_forward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                       const Strided<bf16>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set = instructions());
void attention_forward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                       const Strided<float>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set = instructions());

template <class T>
struct AttentionSlopes {
  Strided<const T> out, out_slopes;  // [B,H,T,size]
  const float* log_sums = nullptr;   // [B,H,T] as the way forward left them
  Strided<T> q, k, v;                // results, shaped like the inputs
};

/// The slopes of the inputs, except the bias, for units [first, last).
void attention_backward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                        const AttentionSlopes<bf16>& slopes, int64_t first, int64_t last,
                        const Instructions& set = instructions());
void attention_backward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                        const AttentionSlopes<float>& slopes, int64_t first, int64_t last,
                        const Instructions& set = instructions());

}  // namespace patina::kernels
