// The part of a product that is alike for all instruction sets: walking the blocks, and finishing
// their rows with bias, activation, sum and rounding. Included by each set's source between its
// target pragmas, so that it becomes vector code of that set.

namespace {

template <Activation activation>
inline float finished(float x) {
  if constexpr (activation == Activation::gelu) return rough_gelu(x);
  return activated<activation>(x);
}

// `columns` is kBlock wherever the compiler can be told so.
template <Activation activation>
inline void finish_columns(const Product& p, int64_t row, int64_t first, int64_t columns,
                           const float* sums) {
  float x[kBlock];
  for (int64_t j = 0; j < columns; ++j) x[j] = sums[j];
  if (p.bias)
    for (int64_t j = 0; j < columns; ++j) x[j] += p.bias[first + j];
  if (p.before) {
    bf16* before = p.before + row * p.before_stride + first;
    for (int64_t j = 0; j < columns; ++j) before[j] = to_bf16(x[j]);
  }
  if constexpr (activation != Activation::none)
    for (int64_t j = 0; j < columns; ++j) x[j] = finished<activation>(x[j]);
  if (p.add) {
    const float* add = p.add + row * p.add_stride + first;
    for (int64_t j = 0; j < columns; ++j) x[j] += add[j];
  }
  if (p.c) {
    float* c = p.c + row * p.c_stride + first;
    for (int64_t j = 0; j < columns; ++j) c[j] = x[j];
  } else {
    bf16* c = p.c_rounded + row * p.c_stride + first;
    for (int64_t j = 0; j < columns; ++j) c[j] = to_bf16(x[j]);
  }
}

template <Activation activation>
inline void finish_row(const Product& p, int64_t row, int64_t first, const float* sums) {
  if (p.n - first >= kBlock)
    finish_columns<activation>(p, row, first, kBlock, sums);
  else
    finish_columns<activation>(p, row, first, p.n - first, sums);
}

// Blocks of C in the order that keeps what they read near: all columns for a panel of rows.
struct Block {
  int64_t row = 0, column = 0, rows = 0;
};

inline int64_t panel_rows(const Product& p) {
  return std::max<int64_t>(kBlock, 12288 / round_up(p.k, kTileK) / kBlock * kBlock);
}

// Calls visit(block, a) for each block, where `a` are its 32 rows: the last ones, short of a block,
// are copied so that nothing behind them is read.
template <class Visit>
inline void each_block(const Product& p, int64_t& a_stride, Visit&& visit) {
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

inline const bf16* tiles_of(const Product& p, int64_t column) {
  return p.tiles + column * round_up(p.k, kTileK);
}

template <Activation activation, auto block_of_sums>
inline void plain_product(const Product& p) {
  alignas(64) float sums[kBlock * kBlock];
  int64_t stride = 0;
  each_block(p, stride, [&](const Block& block, const bf16* a) {
    block_of_sums(a, stride, tiles_of(p, block.column), round_up(p.k, kTileK) / kTileK, sums,
                  kBlock);
    for (int64_t i = 0; i < block.rows; ++i)
      finish_row<activation>(p, block.row + i, block.column, sums + i * kBlock);
  });
}

}  // namespace
