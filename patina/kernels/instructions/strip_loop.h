// Products in fp32: some rows times a strip of 32 columns have their sums in registers. Included by
// each instruction set's source after product_loop.h, in the same place.
#pragma once

namespace {

// A register of floats.
template <int lanes>
struct Register {
  typedef float Type __attribute__((vector_size(lanes * sizeof(float))));  // `using` loses it
};

// Rows of A as strip_sums reads them: where they lie, or `kLanes` of them woven, [k][16], which is
// one stream instead of many.
template <bool woven>
struct StripRows {
  const float* a = nullptr;
  int64_t stride = 0, step = 1;

  [[gnu::always_inline]] inline float at(int64_t i, int64_t j) const {
    return woven ? a[j * kLanes + i] : a[i * stride + j * step];
  }
};

// sums [count,32] of as many rows and a strip of columns. Every sum is made in the order of k.
template <int lanes, int count, bool woven>
[[gnu::noinline]] inline void strip_sums(StripRows<woven> a, const float* strip, int64_t k,
                                         float* sums) {
  using Vector = typename Register<lanes>::Type;
  constexpr int kAcross = kBlock / lanes;
  constexpr int64_t kAhead = 4 * kBlock;
  Vector grown[count][kAcross];
#pragma GCC unroll 16
  for (auto& row : grown)
#pragma GCC unroll 16
    for (Vector& x : row) x = Vector{};
  for (int64_t j = 0; j < k; ++j, strip += kBlock) {
    __builtin_prefetch(strip + kAhead);
    __builtin_prefetch(strip + kAhead + kBlock / 2);
    Vector w[kAcross];
#pragma GCC unroll 16
    for (int v = 0; v < kAcross; ++v) w[v] = load<Vector>(strip + v * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < count; ++i) {
      const Vector x = a.at(i, j) - Vector{};
#pragma GCC unroll 16
      for (int v = 0; v < kAcross; ++v) grown[i][v] += x * w[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i)
#pragma GCC unroll 16
    for (int v = 0; v < kAcross; ++v) store(grown[i][v], sums + i * kBlock + v * lanes);
}

// So many rows are more streams than a processor follows.
constexpr bool weaves(int rows) {
  return rows > 4;
}

// `count` rows of the product from `row` on, woven.
template <int count>
inline void weave_rows(const Product<float>& p, int64_t row, float* to) {
  const float* from = p.a + row * p.a_stride;
  if (p.a_step == 1) return weave(from, p.a_stride, count, p.k, to, kLanes);
  for (int64_t j = 0; j < p.k; ++j, from += p.a_step, to += kLanes)
    if (p.a_stride == 1)
      std::memcpy(to, from, count * sizeof(float));
    else
      for (int i = 0; i < count; ++i) to[i] = from[i * p.a_stride];
}

// One panel of rows, which stays in the second cache, times all columns: `most` rows at a time,
// then what is left of them.
template <int lanes, int most>
inline void panel_of_floats(const Product<float>& p, int64_t panel, int64_t end, float* woven) {
  alignas(64) float sums[most * kBlock];
  const auto finish = finish_rows(p);
  const auto woven_at = [&](int64_t row) { return woven + (row - panel) / most * p.k * kLanes; };
  for (int64_t row = panel; weaves(most) && row + most <= end; row += most)
    weave_rows<most>(p, row, woven_at(row));
  for (int64_t column = 0; column < p.n; column += kBlock) {
    const float* strip = tiles_of(p, column);
    int64_t row = panel;
    const auto take = [&]<int count, bool is_woven>() {
      for (; row + count <= end; row += count) {
        const float* a = is_woven ? woven_at(row) : p.a + row * p.a_stride;
        strip_sums<lanes, count>(StripRows<is_woven>{a, p.a_stride, p.a_step}, strip, p.k, sums);
        finish(p, row, row + count, column, sums);
      }
    };
    take.template operator()<most, weaves(most)>();
    if constexpr (most > 4) take.template operator()<4, false>();
    take.template operator()<1, false>();
  }
}

template <int lanes, int most>
inline void product_of_floats(const Product<float>& p) {
  constexpr int64_t kPanel = 1 << 17;
  const int64_t some = std::max<int64_t>(1, kPanel / std::max<int64_t>(p.k, 1) / most);
  const int64_t height = std::min(some, p.m / most + 1) * most;
  const auto woven = aligned<float>(weaves(most) ? height / most * p.k * kLanes : 0);
  for (int64_t panel = 0; panel < p.m; panel += height)
    panel_of_floats<lanes, most>(p, panel, std::min(panel + height, p.m), woven.get());
}

}  // namespace
