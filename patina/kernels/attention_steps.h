// What attention does to rows of numbers between its products: one table per instruction set.
#pragma once

#include <cstdint>

#include "patina/kernels/bf16.h"

namespace patina::kernels {

/// What a bias holds where a key is hidden, or less: such a key has no part in the softmax.
inline constexpr float kHidden = -1e30f;

/// One query's scores on their way to probabilities.
struct SoftmaxRow {
  float* scores = nullptr;      // [keys rounded up to 16]
  int64_t keys = 0;             // that the query sees
  float scale = 1;              // above 0
  const float* bias = nullptr;  // added to the scaled scores; key to key `bias_step`; may be null
  int64_t bias_step = 0;
  int64_t width = 0;  // of the weights, a multiple of 16
  float largest = 0;  // out: of the scores; 0 where every key is hidden
  float sum = 0;      // out: of the weights

  /// Out: exp(score - largest), zeros behind, in place of the scores.
  template <class T>
  T* weights() const {
    return reinterpret_cast<T*>(scores);
  }
};

template <class T>
struct Slopes;

/// In bf16, a block of 32 keys x 32 queries on its way to the scores' slopes.
template <>
struct Slopes<bf16> {
  float* scores = nullptr;           // [32,32] overwritten
  const float* p_slopes = nullptr;   // [32,32] of the loss by the probabilities
  const float* log_sums = nullptr;   // [32] of the queries
  const float* delta = nullptr;      // [32] Σ p_slopes p over a query's keys
  float scale = 1;                   // of the scores
  const int32_t* seen = nullptr;     // [32] keys that each query sees; null: all
  const float* bias = nullptr;       // null: none
  const int64_t* bias_at = nullptr;  // [32] each query's first, from which keys are bias_step apart
  int64_t bias_step = 0;
  int64_t first_key = 0, keys = 0;         // that the block begins with, and has
  bf16* p = nullptr;                       // [32,32] out: probabilities
  bf16* slopes = nullptr;                  // [32,32] out: p (p_slopes - delta)
  int64_t stride = 0;                      // of both
  bf16 *left = nullptr, *right = nullptr;  // out: the slopes as two tiles [32 queries, 32 keys]
};

/// In floats, one query's scores on their way to their slopes.
template <>
struct Slopes<float> {
  float* scores = nullptr;    // [keys rounded up to 16] out: probabilities
  float* p_slopes = nullptr;  // of the loss by them; out: scale p (p_slopes - delta)
  int64_t keys = 0;           // that the query sees
  float scale = 1;
  const float* bias = nullptr;  // null: none
  int64_t bias_step = 0;
  float log_sum = 0, delta = 0;
  int64_t width = 0;  // of both, a multiple of 16: zeros behind the keys
};

/// T, bf16 or float, is what the products read.
template <class T>
struct AttentionSteps {
  void (*softmax)(SoftmaxRow* rows, int64_t n);
  void (*slopes)(const Slopes<T>& slopes);
  /// to[i] = x · row i, for rows [n,d].
  void (*dots)(const T* x, const T* rows, int64_t stride, int64_t n, int64_t d, float* to);
  /// to [d] = the sum of rows [n,d], each times its weight.
  void (*mix)(const T* weights, const T* rows, int64_t stride, int64_t n, int64_t d, float* to);
  void (*scale)(const float* from, float by, int64_t n, T* to);
};

}  // namespace patina::kernels
