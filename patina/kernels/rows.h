// Row operations between matrix products: norms, activations, gates, and their backward. Statistics
// are in fp32 for all row types.
#pragma once

#include <cstdint>

#include "patina/kernels/activation.h"
#include "patina/kernels/bf16.h"

namespace patina::kernels {

/// LayerNorm, or RMSNorm without mean and bias.
struct NormRows {
  int64_t width = 0;
  const float* weight = nullptr;  // [width]
  const float* bias = nullptr;    // [width] or null
  float eps = 0;
  bool rms = false;
};

/// T, float or bf16, is the type that products read and write; the residual stream is always float.
template <class T>
struct Rows {
  /// y = norm(x) for [rows,width]. `normal` [rows,width] and `scale` [rows], both given or both
  /// null, receive (x - mean) / deviation and 1 / deviation for the backward pass.
  void (*norm)(const NormRows& norm, int64_t rows, const float* x, T* y, T* normal, float* scale);
  /// dx from dy, normal and scale.
  void (*norm_back)(const NormRows& norm, int64_t rows, const T* dy, const T* normal,
                    const float* scale, float* dx);
  /// Adds the contribution of `rows` rows to the gradients of weight and bias, each [width] or
  /// null.
  void (*norm_weights_back)(int64_t width, int64_t rows, const T* dy, const T* normal,
                            float* dweight, float* dbias);
  /// y = act(x), n numbers.
  void (*activate)(Activation activation, int64_t n, const T* x, T* y);
  /// dx = dy act'(x).
  void (*activate_back)(Activation activation, int64_t n, const T* dy, const T* x, T* dx);
  /// y = act(g) u for rows [g, u] of x [rows, 2 width].
  void (*gate)(Activation activation, int64_t rows, int64_t width, const T* x, T* y);
  void (*gate_back)(Activation activation, int64_t rows, int64_t width, const T* dy, const T* x,
                    T* dx);
  /// y = x rounded to bf16, n numbers.
  void (*round)(int64_t n, const float* x, T* y);
};

}  // namespace patina::kernels
