// The bf16 kernels for AVX512-BF16.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,prefer-vector-width=512")

namespace patina::kernels {

#define PATINA_AVX512
#define PATINA_AVX512_BF16
#include "patina/kernels/instructions/bf16_loops.h"

namespace {

// 8 rows at a time: 16 vectors of sums, which leaves 16 registers.
void block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right, int64_t k_tiles,
           float* sums, int64_t sums_stride) {
  constexpr int kRows = 8;
  for (int64_t first = 0; first < kBlock; first += kRows) {
    __m512 l[kRows], r[kRows];
    for (int i = 0; i < kRows; ++i) l[i] = r[i] = _mm512_setzero_ps();
    for (int64_t pair = 0; pair < k_tiles * kTileK / 2; ++pair) {
      const auto b0 = (__m512bh)_mm512_loadu_si512(left + pair * kTileK);
      const auto b1 = (__m512bh)_mm512_loadu_si512(right + pair * kTileK);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        int32_t both;
        std::memcpy(&both, a + (first + i) * a_stride + 2 * pair, sizeof both);
        const auto x = (__m512bh)_mm512_set1_epi32(both);
        l[i] = _mm512_dpbf16_ps(l[i], x, b0);
        r[i] = _mm512_dpbf16_ps(r[i], x, b1);
      }
    }
    for (int i = 0; i < kRows; ++i) {
      _mm512_storeu_ps(sums + (first + i) * sums_stride, l[i]);
      _mm512_storeu_ps(sums + (first + i) * sums_stride + kTileN, r[i]);
    }
  }
}

void begin() {}

}  // namespace

const Bf16Kernels kAvx512Rounded = bf16_kernels();
const Instructions kAvx512Bf16 = {kAvx512Floats, kAvx512Rounded, begin, block,
                                  plain_product<block>};

}  // namespace patina::kernels

#pragma GCC pop_options
