// Products for any processor: the reference for the others, not meant to be fast.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

// The vectors pass between inlined functions only: how others would pass them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace patina::kernels {

// clang-format off: the first is what the others stand on
#include "patina/kernels/pack_loops.h"
#include "patina/kernels/product_loop.h"
#include "patina/kernels/attention_loops.h"
#include "patina/kernels/vectors.h"
// clang-format on

namespace {

void block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right, int64_t k_tiles,
           float* sums, int64_t sums_stride) {
  for (int64_t i = 0; i < kBlock; ++i) {
    float* row = sums + i * sums_stride;
    std::fill_n(row, kBlock, 0.0f);
    for (int64_t k = 0; k < k_tiles * kTileK; ++k) {
      const float x = to_float(a[i * a_stride + k]);
      const int64_t at = k / 2 * kTileK + k % 2;
      for (int64_t j = 0; j < kTileN; ++j) {
        row[j] += x * to_float(left[at + 2 * j]);
        row[j + kTileN] += x * to_float(right[at + 2 * j]);
      }
    }
  }
}

void begin() {}

}  // namespace

const Instructions kPortable = {
    begin, block, plain_product<block>, pack_matrix<bf16>, pack_matrix<float>, unpack_transposed,
    kAttention};

}  // namespace patina::kernels
