// The part of a product that all instruction sets share: the loop over blocks, and finishing their
// rows with bias, activation, addition and rounding. Each set's source includes this between its
// target pragmas, so that it compiles to vector code of that set.
#pragma once

namespace {

alignas(64) inline constexpr float kNoBias[kBlock] = {};

// What a product needs besides bias and activation, as a compile-time constant; `asked`: decided at
// run time.
enum class Beside { asked, nothing, add, before };

// Turns the sums of a product of T into its results.
template <class T, Activation activation, class Out, Beside beside = Beside::asked>
struct Finish {
  // Pointers to the inputs and outputs of one row.
  struct Row {
    const float *bias, *add;
    T* before;
    Out* c;

    Row(const Product<T>& p, int64_t row, int64_t first)
        : bias(p.bias ? p.bias + first : kNoBias),
          add(p.add ? p.add + row * p.add_stride + first : nullptr),
          before(p.before ? p.before + row * p.before_stride + first : nullptr),
          c(static_cast<Out*>(p.c) + row * p.c_stride + first) {}
  };

  template <class At, class To>
  [[gnu::always_inline]] static inline void end(const Row& row, const float* sums, int64_t j,
                                                At&& at, To&& to) {
    constexpr bool kAsked = beside == Beside::asked;
    Floats x = floats_at(sums + j) + floats_at(row.bias + j);
    if ((kAsked && row.before) || beside == Beside::before) to(x, row.before + j);
    x = activated<activation, T>(x);
    if ((kAsked && row.add) || beside == Beside::add) x += at(row.add + j);
    to(x, row.c + j);
  }
  [[gnu::always_inline]] static inline void sixteen(const Row& row, const float* sums, int64_t j) {
    end(
        row, sums, j, [](const float* from) { return floats_at(from); },
        [](const Floats& x, auto* to) { put(x, to); });
  }
  static void some(const Row& row, const float* sums, int64_t j, int64_t count) {
    end(
        row, sums, j, [count](const float* from) { return first_at(from, count); },
        [count](const Floats& x, auto* to) { put_first(x, count, to); });
  }

  // Finishes rows of a full block of columns; their number is known at compile time.
  template <int64_t count>
  [[gnu::always_inline]] static inline void some_rows(const Product<T>& p, int64_t row,
                                                      int64_t first, const float* sums) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < count; ++i) {
      const Row ends(p, row + i, first);
      sixteen(ends, sums + i * kBlock, 0);
      sixteen(ends, sums + i * kBlock, kLanes);
    }
  }

  // Finishes rows [row, end) of the block whose first column is `first` and whose sums are at
  // `sums`.
  static void rows(const Product<T>& p, int64_t row, int64_t end, int64_t first,
                   const float* sums) {
    const int64_t columns = std::min(kBlock, p.n - first);
    for (; row < end; ++row, sums += kBlock) {
      const Row ends(p, row, first);
      for (int64_t j = 0; j < columns; j += kLanes)
        if (j + kLanes <= columns)
          sixteen(ends, sums, j);
        else
          some(ends, sums, j, columns - j);
    }
  }
};

// Visits blocks of C in cache-friendly order: all columns for one panel of rows.
struct Block {
  int64_t row = 0, column = 0, rows = 0;
};

inline int64_t panel_rows(const Product<bf16>& p) {
  return std::max<int64_t>(kBlock, 393216 / round_up(p.k, kTileK) / kBlock * kBlock);
}

// Calls visit(block, a) for each block; `a` are its rows, a multiple of `group`. If the last rows
// do not fill a block, they are copied, so that nothing behind them is read.
template <int64_t group = kBlock, class Visit>
inline void each_block(const Product<bf16>& p, int64_t& a_stride, Visit&& visit) {
  const int64_t width = round_up(p.k, kTileK), whole = p.m / kBlock * kBlock;
  const int64_t panel_height = panel_rows(p);
  Aligned<bf16> rest;
  if (whole < p.m) {
    const int64_t rows = round_up(p.m - whole, group);
    rest = aligned<bf16>(rows * width);
    std::fill_n(rest.get() + (p.m - whole) * width, (rows - (p.m - whole)) * width, bf16{0});
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

// Finishes rows of a block: Finish::rows of the product.
template <class T>
using FinishRows = void (*)(const Product<T>&, int64_t row, int64_t end, int64_t first,
                            const float* sums);

template <class T>
inline FinishRows<T> finish_rows(const Product<T>& p) {
  FinishRows<T> finish = nullptr;
  with_activation(p.activation, [&]<Activation activation>() {
    finish = Finish<T, activation, float>::rows;
    if constexpr (std::is_same_v<T, bf16>)
      if (p.rounds) finish = Finish<T, activation, bf16>::rows;
  });
  return finish;
}

// `sums_of_rows` computes the sums of that many rows of a block or more, up to a multiple of
// `group`.
template <auto sums_of_rows, int64_t group>
inline void plain_product(const Product<bf16>& p) {
  alignas(64) float sums[kBlock * kBlock];
  const auto finish = finish_rows(p);
  int64_t stride = 0;
  each_block<group>(p, stride, [&](const Block& block, const bf16* a) {
    const bf16* left = tiles_of(p, block.column);
    const int64_t k_tiles = round_up(p.k, kTileK) / kTileK;
    sums_of_rows(block.rows, a, stride, left, left + k_tiles * kTile, k_tiles, sums, kBlock);
    finish(p, block.row, block.row + block.rows, block.column, sums);
  });
}

}  // namespace
