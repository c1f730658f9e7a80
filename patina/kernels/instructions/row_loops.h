// The loops of rows.h. Each instruction set's source includes this between its target pragmas, so
// that it compiles to vector code of that set.
#pragma once

namespace {

// Sums a term over n numbers: `Term` for sixteen at a time, `Rest` for the remaining ones.
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
    if (normal)
      norm_rows<true>(norm, rows, x, y, normal, scale);
    else
      norm_rows<false>(norm, rows, x, y, normal, scale);
  }

  // Four rows side by side, because the sums of a single row depend on each other.
  template <bool keeps>
  static void norm_rows(const NormRows& norm, int64_t rows, const float* x, T* y, T* normal,
                        float* scale) {
    int64_t row = 0;
    const auto some = [&]<int count>() {
      const int64_t at = row * norm.width;
      norm_some<keeps, count>(norm, x + at, y + at, keeps ? normal + at : nullptr,
                              keeps ? scale + row : nullptr);
      row += count;
    };
    while (row + 4 <= rows) some.template operator()<4>();
    while (row < rows) some.template operator()<1>();
  }

  // Sums what remains of a row after its full vectors. Never inlined: a row's bits must not depend
  // on how many rows the compiler sees beside it.
  [[gnu::noinline]] static float sum_of_rest(const float* x, int64_t from, int64_t n, float mean,
                                             bool squared) {
    float sum = 0;
    for (int64_t i = from; i < n; ++i) sum += squared ? (x[i] - mean) * (x[i] - mean) : x[i];
    return sum;
  }
  template <bool keeps>
  [[gnu::noinline]] static void norm_rest(const NormRows& norm, const float* x, int64_t from,
                                          float mean, float r, T* y, T* normal) {
    for (int64_t i = from; i < norm.width; ++i) {
      const float z = (x[i] - mean) * r;
      if constexpr (keeps) normal[i] = rounded<T>(z);
      y[i] = rounded<T>(z * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.0f));
    }
  }

  template <bool keeps, int count>
  [[gnu::always_inline]] static inline void norm_some(const NormRows& norm, const float* x, T* y,
                                                      T* normal, float* scale) {
    const int64_t n = norm.width, whole = n / kLanes * kLanes;
    float mean[count] = {}, r[count];
    // The mean of term(x, parameter of the row) over each row.
    const auto means = [&](auto term, bool squared, float(&to)[count]) {
      Floats sums[count] = {};
      for (int64_t i = 0; i < whole; i += kLanes)
#pragma GCC unroll 4
        for (int row = 0; row < count; ++row) sums[row] += term(floats_at(x + row * n + i), row);
      for (int row = 0; row < count; ++row) {
        to[row] = total(sums[row]);
        if (whole < n) to[row] += sum_of_rest(x + row * n, whole, n, mean[row], squared);
        to[row] /= float(n);
      }
    };
    if (!norm.rms) means([](const auto& v, int) { return v; }, false, mean);
    means([&](const auto& v, int row) { return (v - mean[row]) * (v - mean[row]); }, true, r);
    for (int row = 0; row < count; ++row) {
      r[row] = 1.0f / std::sqrt(r[row] + norm.eps);
      if constexpr (keeps) scale[row] = r[row];
    }
    for (int64_t i = 0; i < whole; i += kLanes) {
      const Floats weight = floats_at(norm.weight + i);
      const Floats bias = norm.bias ? floats_at(norm.bias + i) : Floats{};
#pragma GCC unroll 4
      for (int row = 0; row < count; ++row) {
        const Floats z = (floats_at(x + row * n + i) - mean[row]) * r[row];
        if constexpr (keeps) put(z, normal + row * n + i);
        put(z * weight + bias, y + row * n + i);
      }
    }
    for (int row = 0; whole < n && row < count; ++row)
      norm_rest<keeps>(norm, x + row * n, whole, mean[row], r[row], y + row * n,
                       keeps ? normal + row * n : nullptr);
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

  // Calls some(i, count) for sixteen numbers at a time, then for the remaining ones.
  template <class Some>
  [[gnu::always_inline]] static inline void each_sixteen(int64_t n, Some&& some) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
      some([i](const auto* from) { return floats_at(from + i); },
           [i](const Floats& x, T* to) { put(x, to + i); });
    if (i < n)
      some([i, n](const auto* from) { return first_at(from + i, n - i); },
           [i, n](const Floats& x, T* to) { put_first(x, n - i, to + i); });
  }

  static void activate(Activation activation, int64_t n, const T* x, T* y) {
    with_activation(activation, [&]<Activation a>() {
      each_sixteen(n, [&](auto at, auto to) { to(activated<a, T>(at(x)), y); });
    });
  }

  static void activate_back(Activation activation, int64_t n, const T* dy, const T* x, T* dx) {
    with_activation(activation, [&]<Activation a>() {
      each_sixteen(n, [&](auto at, auto to) { to(at(dy) * derivative<a, T>(at(x)), dx); });
    });
  }

  static void gate(Activation activation, int64_t rows, int64_t width, const T* x, T* y) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t row = 0; row < rows; ++row, x += 2 * width, y += width)
        each_sixteen(width,
                     [&](auto at, auto to) { to(activated<a, T>(at(x)) * at(x + width), y); });
    });
  }

  static void gate_back(Activation activation, int64_t rows, int64_t width, const T* dy, const T* x,
                        T* dx) {
    with_activation(activation, [&]<Activation a>() {
      for (int64_t row = 0; row < rows; ++row, dy += width, x += 2 * width, dx += 2 * width)
        each_sixteen(width, [&](auto at, auto to) {
          const Floats d = at(dy), g = at(x);
          to(d * at(x + width) * derivative<a, T>(g), dx);
          to(d * activated<a, T>(g), dx + width);
        });
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
