// Fused attention, forward and backward: bf16 or float inputs and outputs, fp32 sums and softmax.
// Only the probabilities of a few queries of one head are in memory at a time.
#pragma once

#include <cstdint>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

/// softmax(s + bias) v of the scores s = scale q kᵀ, or cap tanh(s / cap) in their place. Groups of
/// heads / key_heads neighbouring query heads share one head of keys and values.
struct AttentionShape {
  int64_t batch = 0, heads = 0, key_heads = 0;
  int64_t queries = 0, keys = 0;  // T and S
  int64_t size = 0;               // numbers per head
  float scale = 1;                // must be positive
  bool causal = false;            // query i sees keys 0 to i + S - T
  float cap = 0;                  // 0: scores are not capped

  int64_t units() const { return batch * key_heads; }
};

/// Describes a view of T: element (sample, head, row, i). The last dimension is contiguous.
template <class T>
struct Strided {
  T* data = nullptr;
  int64_t sample = 0, head = 0, row = 0;  // strides in elements

  T* at(int64_t b, int64_t h, int64_t t) const { return data + b * sample + h * head + t * row; }
};

/// Added to the scaled scores. A value of kHidden or less hides the key. A stride of 0 broadcasts;
/// null data means no bias.
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

/// Computes units [first, last) of shape.units(). A unit is one sample's key head with its query
/// heads; its results depend on nothing else. out [B,H,T,size]; log_sums [B,H,T], needed by the
/// backward pass, may be null. A query that sees no key gets zeros.
void attention_forward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                       const Strided<bf16>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set = instructions());
void attention_forward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                       const Strided<float>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set = instructions());

template <class T>
struct AttentionGradients {
  Strided<const T> out, dout;       // [B,H,T,size]
  const float* log_sums = nullptr;  // [B,H,T], written by the forward pass
  Strided<T> q, k, v;               // gradients, shaped like the inputs
};

/// The gradients of the inputs except the bias, for units [first, last).
void attention_backward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                        const AttentionGradients<bf16>& gradients, int64_t first, int64_t last,
                        const Instructions& set = instructions());
void attention_backward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                        const AttentionGradients<float>& gradients, int64_t first, int64_t last,
                        const Instructions& set = instructions());

}  // namespace patina::kernels
