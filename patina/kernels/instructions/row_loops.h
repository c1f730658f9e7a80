// The loops of rows.h. Included by each instruction set's source between its target pragmas, so
// that they become vector code of that set.
#pragma once

namespace {

// Of terms of sixteen numbers and of one, over n numbers.
template <class Term, class Rest>
[[gnu::always_inline]] inline float sum_of(int64_t n, Term&& term, Rest&& rest) {
  Floats even = {}, odd = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    even += term(i);
    odd += term(i + kLanes);
  }
  if (i + kLanes <= n) even += term(i), i += kLanes;
  float sum = total(even + odd);
  for (; i < n; ++i) sum += rest(i);
  return sum;
}

template <class T>
struct RowLoops {
  static void norm(const NormRows& norm, int64_t rows, const float* x, T* y, T* normal,
                   float* scale) {
    const int64_t n = norm.width;
    for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
      const float mean = norm.rms ? 0.0f
                                  : sum_of(
                                        n, [x](int64_t i) { return floats_at(x + i); },
                                        [x](int64_t i) { return x[i]; }) /
                                        float(n);
      const auto square = [mean](auto v) { return (v - mean) * (v - mean); };
      const float variance = sum_of(
                                 n, [&](int64_t i) { return square(floats_at(x + i)); },
                                 [&](int64_t i) { return square(x[i]); }) /
                             float(n);
      const float r = 1.0f / std::sqrt(variance + norm.eps);
      if (normal)
        norm_row<true>(norm, x, mean, r, y, normal + row * n);
      else
        norm_row<false>(norm, x, mean, r, y, nullptr);
      if (normal) scale[row] = r;
    }
  }

  template <bool keeps>
  [[gnu::always_inline]] static inline void norm_row(const NormRows& norm, const float* x,
                                                     float mean, float r, T* y, T* normal) {
    int64_t i = 0;
    for (; i + kLanes <= norm.width; i += kLanes) {
      const Floats z = (floats_at(x + i) - mean) * r;
      if constexpr (keeps) put(z, normal + i);
      const Floats scaled = z * floats_at(norm.weight + i);
      put(norm.bias ? scaled + floats_at(norm.bias + i) : scaled, y + i);
    }
    for (; i < norm.width; ++i) {
      const float z = (x[i] - mean) * r;
      if constexpr (keeps) normal[i] = rounded<T>(z);
      y[i] = rounded<T>(z * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.0f));
    }
  }

  // With g = dy w and z the normalised row: dx = (g - mean(g) - z mean(g z)) / deviation.
  static void norm_back(const NormRows& norm, int64_t rows, const T* dy, const T* normal,
                        const float* scale, float* dx) {
    const int64_t n = norm.width;
    for (int64_t row = 0; row < rows; ++row, dy += n, normal += n, dx += n) {
      const auto g = [&](int64_t i) { return floats_at(dy + i) * floats_at(norm.weight + i); };
      const auto g1 = [&](int64_t i) { return to_float(dy[i]) * norm.weight[i]; };
      const float mean = norm.rms ? 0.0f : sum_of(n, g, g1) / float(n);
      const float along = sum_of(
                              n, [&](int64_t i) { return g(i) * floats_at(normal + i); },
                              [&](int64_t i) { return g1(i) * to_float(normal[i]); }) /
                          float(n);
      const float r = scale[row];
      int64_t i = 0;
      for (; i + kLanes <= n; i += kLanes)
        put((g(i) - mean - floats_at(normal + i) * along) * r, dx + i);
      for (; i < n; ++i) dx[i] = (g1(i) - mean - to_float(normal[i]) * along) * r;
    }
  }

  static void norm_weights_back(int64_t width, int64_t rows, const T* dy, const T* normal,
                                float* dweight, float* dbias) {
    for (int64_t row = 0; row < rows; ++row, dy += width, normal += width)
      for (int64_t i = 0; i < width; ++i) dweight[i] += to_float(dy[i]) * to_float(normal[i]);
    if (!dbias) return;
    dy -= rows * width;
    for (int64_t row = 0; row < rows; ++row, dy += width)
      for (int64_t i = 0; i < width; ++i) dbias[i] += to_float(dy[i]);
  }

  // Results in bf16 need no more than a rough GELU and its slope.
  template <Activation activation>
  [[gnu::always_inline]] static inline float value(float x) {
    if constexpr (activation == Activation::gelu && sizeof(T) == sizeof(bf16)) return rough_gelu(x);
    return activated<activation>(x);
  }
  template <Activation activation>
  [[gnu::always_inline]] static inline float slope(float x) {
    if constexpr (activation == Activation::gelu && sizeof(T) == sizeof(bf16))
      return rough_gelu_slope(x);
    return kernels::slope<activation>(x);
  }

  static void activate(Activation activation, int64_t n, const T* x, T* y) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t i = 0; i < n; ++i) y[i] = rounded<T>(value<a>(to_float(x[i])));
    });
  }

  static void activate_back(Activation activation, int64_t n, const T* dy, const T* x, T* dx) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t i = 0; i < n; ++i)
        dx[i] = rounded<T>(to_float(dy[i]) * slope<a>(to_float(x[i])));
    });
  }

  static void gate(Activation activation, int64_t rows, int64_t width, const T* x, T* y) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t row = 0; row < rows; ++row) {
        const T* __restrict g = x + row * 2 * width;
        const T* __restrict u = g + width;
        T* __restrict to = y + row * width;
        for (int64_t i = 0; i < width; ++i)
          to[i] = rounded<T>(value<a>(to_float(g[i])) * to_float(u[i]));
      }
    });
  }

  static void gate_back(Activation activation, int64_t rows, int64_t width, const T* dy, const T* x,
                        T* dx) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t row = 0; row < rows; ++row) {
        const T* __restrict g = x + row * 2 * width;
        const T* __restrict u = g + width;
        const T* __restrict d = dy + row * width;
        T* __restrict dg = dx + row * 2 * width;
        T* __restrict du = dg + width;
        for (int64_t i = 0; i < width; ++i) {
          const float dyi = to_float(d[i]), gi = to_float(g[i]);
          dg[i] = rounded<T>(dyi * to_float(u[i]) * slope<a>(gi));
          du[i] = rounded<T>(dyi * value<a>(gi));
        }
      }
    });
  }

  static void round(int64_t n, const float* x, T* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = rounded<T>(x[i]);
  }

  static constexpr Rows<T> table() {
    return {norm, norm_back, norm_weights_back, activate, activate_back, gate, gate_back, round};
  }
};

}  // namespace
