// Products with the tile registers of AMX: two by two tiles of sums. (Finishing the block before
// while they grow was tried and gained nothing: the units wait for each other.)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16,prefer-vector-width=512")

namespace patina::kernels {

#define PATINA_AVX512
#include "patina/kernels/instructions/loops.h"

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

}  // namespace

const Instructions kAmx = table<begin, block, plain_product<block>>();

}  // namespace patina::kernels

#pragma GCC pop_options
