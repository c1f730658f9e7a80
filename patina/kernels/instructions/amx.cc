// Products with the tile registers of AMX: 2 x 2 tiles of sums. While they are computed, the block
// before is finished, a few rows after each step: tile and vector units run at the same time only
// if their instructions alternate.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16,prefer-vector-width=512")

namespace patina::kernels {

#define PATINA_AVX512
#define PATINA_AVX512_BF16
#include "patina/kernels/instructions/vectors.h"

#include "patina/kernels/instructions/activations.h"
#include "patina/kernels/instructions/product_loop.h"

namespace {

struct TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void begin() {
  static const TileConfig config;
  _tile_loadconfig(&config);
}

inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline void multiply_step(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right,
                          int64_t step) {
  const int64_t bytes = a_stride * int64_t(sizeof(bf16));
  _tile_loadd(4, a + step * kTileK, bytes);
  _tile_loadd(6, left + step * kTile, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, right + step * kTile, 64);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, a + 16 * a_stride + step * kTileK, bytes);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

inline void store_sums(float* sums, int64_t stride) {
  const int64_t bytes = stride * int64_t(sizeof(float));
  _tile_stored(0, sums, bytes);
  _tile_stored(1, sums + 16, bytes);
  _tile_stored(2, sums + 16 * stride, bytes);
  _tile_stored(3, sums + 16 * stride + 16, bytes);
}

void block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right, int64_t k_tiles,
           float* sums, int64_t sums_stride) {
  zero_sums();
  for (int64_t step = 0; step < k_tiles; ++step) multiply_step(a, a_stride, left, right, step);
  store_sums(sums, sums_stride);
}

void any_rows(int64_t, const bf16* a, int64_t a_stride, const bf16* left, const bf16* right,
              int64_t k_tiles, float* sums, int64_t sums_stride) {
  block(a, a_stride, left, right, k_tiles, sums, sums_stride);
}

template <class Finish>
void product_with(const Product<bf16>& p) {
  constexpr int64_t kRows = 4;  // finished after each step
  alignas(64) float memory[2][kBlock * kBlock];
  float *growing = memory[0], *grown = memory[1];
  const int64_t k_tiles = round_up(p.k, kTileK) / kTileK;
  Block before;
  int64_t stride = 0;
  each_block(p, stride, [&](const Block& block, const bf16* a) {
    const bf16* left = tiles_of(p, block.column);
    const bf16* right = left + k_tiles * kTile;
    const bool whole = before.rows == kBlock && before.column + kBlock <= p.n;
    const int64_t parts = whole ? kBlock / kRows : 0;
    const auto finish = [&](int64_t part) {
      Finish::template some_rows<kRows>(p, before.row + part * kRows, before.column,
                                        grown + part * kRows * kBlock);
    };
    zero_sums();
    for (int64_t step = 0; step < k_tiles; ++step) {
      multiply_step(a, stride, left, right, step);
      if (step < parts) finish(step);
    }
    for (int64_t part = k_tiles; part < parts; ++part) finish(part);
    if (!whole) Finish::rows(p, before.row, before.row + before.rows, before.column, grown);
    store_sums(growing, kBlock);
    std::swap(growing, grown);
    before = block;
  });
  Finish::rows(p, before.row, before.row + before.rows, before.column, grown);
}

// The most frequent combinations are compiled separately, which makes them faster. The others use
// the general version, because each combination adds compile time.
void product(const Product<bf16>& p) {
  if (p.activation == Activation::none && !p.before) {
    if (p.add && !p.rounds)
      return product_with<Finish<bf16, Activation::none, float, Beside::add>>(p);
    if (p.add) return plain_product<any_rows, kBlock>(p);
    return p.rounds ? product_with<Finish<bf16, Activation::none, bf16, Beside::nothing>>(p)
                    : product_with<Finish<bf16, Activation::none, float, Beside::nothing>>(p);
  }
  if (p.add || !p.rounds) return plain_product<any_rows, kBlock>(p);
  with_activation(p.activation, [&]<Activation activation>() {
    p.before ? product_with<Finish<bf16, activation, bf16, Beside::before>>(p)
             : product_with<Finish<bf16, activation, bf16, Beside::nothing>>(p);
  });
}

}  // namespace

const Instructions kAmx = {kAvx512Floats, kAvx512Rounded, begin, block, product};

}  // namespace patina::kernels

#pragma GCC pop_options
