// The row operations of attention between its matrix products: one table per instruction set.
#pragma once

#include <cstdint>

#include "patina/kernels/bf16.h"

namespace patina::kernels {

/// A bias of this value or less hides the key: it takes no part in the softmax.
inline constexpr float kHidden = -1e30f;

/// Softmax of one query's scores, without the division by the sum.
struct SoftmaxRow {
  float* scores = nullptr;      // [keys rounded up to 16]
  int64_t keys = 0;             // number of keys that the query sees
  float scale = 1;              // must be positive
  float cap = 0;                // scaled scores s become cap tanh(s / cap); 0: they stay
  const float* bias = nullptr;  // added to the scaled scores, one value every `bias_step` elements;
                                // null: none
  int64_t bias_step = 0;
  int64_t width = 0;  // width of the weights, a multiple of 16
  float largest = 0;  // out: largest score; 0 where every key is hidden
  float sum = 0;      // out: sum of the weights

  /// Out: exp(score - largest), padded with zeros, stored over the scores.
  template <class T>
  T* weights() const {
    return reinterpret_cast<T*>(scores);
  }
};

template <class T>
struct SoftmaxGradients;

/// bf16: from scores to score gradients for a block of 32 keys x 32 queries.
template <>
struct SoftmaxGradients<bf16> {
  float* scores = nullptr;           // [32,32] overwritten
  const float* dp = nullptr;         // [32,32] dL/dP
  const float* log_sums = nullptr;   // [32] log Σ exp of each query's scores
  const float* delta = nullptr;      // [32] Σ dL/dP P over each query's keys
  float scale = 1;                   // factor of the scores
  float cap = 0;                     // as in SoftmaxRow
  float* slopes = nullptr;           // [32,32] overwritten; needed where scores are capped
  const int32_t* seen = nullptr;     // [32] number of keys that each query sees; null: all
  const float* bias = nullptr;       // null: none
  const int64_t* bias_at = nullptr;  // [32] where each query's bias starts; its values are
                                     // bias_step apart
  int64_t bias_step = 0;
  int64_t first_key = 0, keys = 0;         // first key of the block, number of keys in it
  bf16* p = nullptr;                       // [32,32] out: probabilities
  bf16* ds = nullptr;                      // [32,32] out: dL/dS = P (dL/dP - delta)
  int64_t stride = 0;                      // row stride of p and ds
  bf16 *left = nullptr, *right = nullptr;  // out: dL/dS as two tiles [32 queries, 32 keys]
};

/// fp32: from scores to score gradients for one query.
template <>
struct SoftmaxGradients<float> {
  float* scores = nullptr;  // [keys rounded up to 16] out: probabilities
  float* dp = nullptr;      // dL/dP; out: scale P (dL/dP - delta)
  int64_t keys = 0;         // number of keys that the query sees
  float scale = 1, cap = 0;
  const float* bias = nullptr;  // null: none
  int64_t bias_step = 0;
  float log_sum = 0, delta = 0;
  int64_t width = 0;  // width of both arrays, a multiple of 16, padded with zeros
};

/// T, bf16 or float, is the type that the products read.
template <class T>
struct AttentionSteps {
  void (*softmax)(SoftmaxRow* rows, int64_t n);
  void (*gradients)(const SoftmaxGradients<T>& gradients);
  /// to[i] = x · row i, for n rows of d numbers, `stride` apart.
  void (*dots)(const T* x, const T* rows, int64_t stride, int64_t n, int64_t d, float* to);
  /// to [d] = Σ weights[i] row i, for n rows of d numbers, `stride` apart.
  void (*mix)(const T* weights, const T* rows, int64_t stride, int64_t n, int64_t d, float* to);
  void (*scale)(const float* from, float by, int64_t n, T* to);
};

}  // namespace patina::kernels
