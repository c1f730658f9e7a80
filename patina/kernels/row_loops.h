// The loops of rows.h. Included by each instruction set's source between its target pragmas, so
// that they become vector code of that set.

namespace {

// Sixteen sums side by side, in an order that does not depend on the vector length.
template <class Term>
inline float sum_of(int64_t n, Term&& term) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
  for (int64_t j = 0; i + j < n; ++j) lanes[j] += term(i + j);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

template <class T>
struct RowLoops {
  static void norm(const NormRows& norm, int64_t rows, const float* __restrict x, T* __restrict y,
                   T* __restrict normal, float* __restrict scale) {
    const int64_t n = norm.width;
    const float* __restrict weight = norm.weight;
    const float* __restrict bias = norm.bias;
    for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
      const float mean = norm.rms ? 0.0f : sum_of(n, [x](int64_t i) { return x[i]; }) / float(n);
      const float variance =
          sum_of(n, [x, mean](int64_t i) { return (x[i] - mean) * (x[i] - mean); }) / float(n);
      const float r = 1.0f / std::sqrt(variance + norm.eps);
      if (bias)
        for (int64_t i = 0; i < n; ++i) y[i] = rounded<T>((x[i] - mean) * r * weight[i] + bias[i]);
      else
        for (int64_t i = 0; i < n; ++i) y[i] = rounded<T>((x[i] - mean) * r * weight[i]);
      if (!normal) continue;
      for (int64_t i = 0; i < n; ++i) normal[i] = rounded<T>((x[i] - mean) * r);
      scale[row] = r;
      normal += n;
    }
  }

  // With g = dy w and z the normalised row: dx = (g - mean(g) - z mean(g z)) / deviation.
  static void norm_back(const NormRows& norm, int64_t rows, const T* __restrict dy,
                        const T* __restrict normal, const float* __restrict scale,
                        float* __restrict dx) {
    const int64_t n = norm.width;
    const float* __restrict weight = norm.weight;
    for (int64_t row = 0; row < rows; ++row, dy += n, normal += n, dx += n) {
      const auto g = [dy, weight](int64_t i) { return to_float(dy[i]) * weight[i]; };
      const float mean = norm.rms ? 0.0f : sum_of(n, g) / float(n);
      const float along =
          sum_of(n, [g, normal](int64_t i) { return g(i) * to_float(normal[i]); }) / float(n);
      const float r = scale[row];
      for (int64_t i = 0; i < n; ++i) dx[i] = (g(i) - mean - to_float(normal[i]) * along) * r;
    }
  }

  // Results in bf16 need no more than a rough GELU.
  template <Activation activation>
  static inline float value(float x) {
    if constexpr (activation == Activation::gelu && sizeof(T) == sizeof(bf16)) return rough_gelu(x);
    return activated<activation>(x);
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
    return {norm, norm_back, activate, activate_back, gate, gate_back, round};
  }
};

}  // namespace
