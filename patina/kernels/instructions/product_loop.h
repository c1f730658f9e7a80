// The part of a product that is alike for all instruction sets: walking the blocks, and finishing
// their rows with bias, activation, sum and rounding. Included by each set's source between its
// target pragmas, so that it becomes vector code of that set.
#pragma once

namespace {

alignas(64) inline constexpr float kNoBias[kBlock] = {};

// What a product of T does to its sums, known to the compiler.
template <class T, Activation activation, bool adds, bool keeps, class Out>
struct Finish {
  static constexpr bool kRough = activation == Activation::gelu && std::is_same_v<T, bf16>;

  [[gnu::always_inline]] static inline float finished(float x) {
    if constexpr (kRough) return rough_gelu(x);
    return activated<activation>(x);
  }
  [[gnu::always_inline]] static inline Floats finished(const Floats& x) {
    if constexpr (kRough) return rough_gelu(x);
    if constexpr (activation == Activation::none) return x;
    alignas(64) float lanes[kLanes];
    store(x, lanes);
    for (float& lane : lanes) lane = activated<activation>(lane);
    return load<Floats>(lanes);
  }

  [[gnu::always_inline]] static inline void one(const float* bias, const float* sums, int64_t j,
                                                const float* add, T* before, Out* c) {
    float x = sums[j] + bias[j];
    if constexpr (keeps) before[j] = rounded<T>(x);
    x = finished(x);
    if constexpr (adds) x += add[j];
    c[j] = rounded<Out>(x);
  }
  [[gnu::always_inline]] static inline void sixteen(const float* bias, const float* sums, int64_t j,
                                                    const float* add, T* before, Out* c) {
    Floats x = floats_at(sums + j) + floats_at(bias + j);
    if constexpr (keeps) put(x, before + j);
    x = finished(x);
    if constexpr (adds) x += floats_at(add + j);
    put(x, c + j);
  }

  // Ends some rows of a whole block of columns, as many as are known to the compiler.
  template <int64_t count>
  [[gnu::always_inline]] static inline void some_rows(const Product<T>& p, int64_t row,
                                                      int64_t first, const float* sums) {
    const float* bias = p.bias ? p.bias + first : kNoBias;
#pragma GCC unroll 8
    for (int64_t i = 0; i < count; ++i) {
      const float* add = p.add + (row + i) * p.add_stride + first;
      T* before = p.before + (row + i) * p.before_stride + first;
      Out* c = static_cast<Out*>(p.c) + (row + i) * p.c_stride + first;
      sixteen(bias, sums + i * kBlock, 0, add, before, c);
      sixteen(bias, sums + i * kBlock, kLanes, add, before, c);
    }
  }

  // Ends rows [row, end) of the block whose columns begin at `first` and whose sums lie at `sums`.
  static void rows(const Product<T>& p, int64_t row, int64_t end, int64_t first,
                   const float* sums) {
    const float* bias = p.bias ? p.bias + first : kNoBias;
    const int64_t columns = std::min(kBlock, p.n - first);
    for (; row < end; ++row, sums += kBlock) {
      const float* add = p.add + row * p.add_stride + first;
      T* before = p.before + row * p.before_stride + first;
      Out* c = static_cast<Out*>(p.c) + row * p.c_stride + first;
      if (columns == kBlock) {
        sixteen(bias, sums, 0, add, before, c);
        sixteen(bias, sums, kLanes, add, before, c);
      } else {
        for (int64_t j = 0; j < columns; ++j) one(bias, sums, j, add, before, c);
      }
    }
  }
};

// Calls use.operator()<F>() with the Finish of a product.
template <class T, class Use>
inline void with_finish(const Product<T>& p, Use&& use) {
  with_activation(p.activation, [&]<Activation activation>() {
    const auto to = [&]<bool adds, bool keeps>() {
      if (std::is_same_v<T, bf16> && p.rounds)
        use.template operator()<Finish<T, activation, adds, keeps, T>>();
      else
        use.template operator()<Finish<T, activation, adds, keeps, float>>();
    };
    if (p.before)
      p.add ? to.template operator()<true, true>() : to.template operator()<false, true>();
    else
      p.add ? to.template operator()<true, false>() : to.template operator()<false, false>();
  });
}

// Blocks of C in the order that keeps what they read near: all columns for a panel of rows.
struct Block {
  int64_t row = 0, column = 0, rows = 0;
};

inline int64_t panel_rows(const Product<bf16>& p) {
  return std::max<int64_t>(kBlock, 393216 / round_up(p.k, kTileK) / kBlock * kBlock);
}

// Calls visit(block, a) for each block, where `a` are its 32 rows: the last ones, short of a block,
// are copied so that nothing behind them is read.
template <class Visit>
inline void each_block(const Product<bf16>& p, int64_t& a_stride, Visit&& visit) {
  const int64_t width = round_up(p.k, kTileK), whole = p.m / kBlock * kBlock;
  const int64_t panel_height = panel_rows(p);
  Aligned<bf16> rest;
  if (whole < p.m) {
    rest = aligned<bf16>(kBlock * width);
    std::fill_n(rest.get(), kBlock * width, bf16{0});
    for (int64_t i = whole; i < p.m; ++i)
      std::copy_n(p.a + i * p.a_stride, width, rest.get() + (i - whole) * width);
  }
  for (int64_t panel = 0; panel < p.m; panel += panel_height)
    for (int64_t column = 0; column < p.n; column += kBlock)
      for (int64_t row = panel; row < std::min(panel + panel_height, p.m); row += kBlock) {
        a_stride = row < whole ? p.a_stride : width;
        visit(Block{row, column, std::min(kBlock, p.m - row)},
              row < whole ? p.a + row * p.a_stride : rest.get());
      }
}

template <class T>
inline const T* tiles_of(const Product<T>& p, int64_t column) {
  return p.tiles + column * round_up(p.k, kStep<T>);
}

// Ends rows of a block: Finish::rows of the product.
template <class T>
using FinishRows = void (*)(const Product<T>&, int64_t row, int64_t end, int64_t first,
                            const float* sums);

template <class T>
inline FinishRows<T> finish_rows(const Product<T>& p) {
  FinishRows<T> finish = nullptr;
  with_finish(p, [&]<class Finish>() { finish = Finish::rows; });
  return finish;
}

template <auto block_of_sums>
inline void plain_product(const Product<bf16>& p) {
  alignas(64) float sums[kBlock * kBlock];
  const auto finish = finish_rows(p);
  int64_t stride = 0;
  each_block(p, stride, [&](const Block& block, const bf16* a) {
    const bf16* left = tiles_of(p, block.column);
    const int64_t k_tiles = round_up(p.k, kTileK) / kTileK;
    block_of_sums(a, stride, left, left + k_tiles * kTile, k_tiles, sums, kBlock);
    finish(p, block.row, block.row + block.rows, block.column, sums);
  });
}

}  // namespace
