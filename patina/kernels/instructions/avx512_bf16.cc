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

// At most 8 rows: 16 vectors of sums, which leaves 16 registers.
constexpr int kMostRows = 8;

// The sums of `count` rows. Each is computed in the same order, however many there are.
template <int count>
[[gnu::always_inline]] inline void sums_of(const bf16* a, int64_t a_stride, const bf16* left,
                                           const bf16* right, int64_t k_tiles, float* sums,
                                           int64_t sums_stride) {
  __m512 l[count], r[count];
  for (int i = 0; i < count; ++i) l[i] = r[i] = _mm512_setzero_ps();
  for (int64_t pair = 0; pair < k_tiles * kTileK / 2; ++pair) {
    const auto b0 = (__m512bh)_mm512_loadu_si512(left + pair * kTileK);
    const auto b1 = (__m512bh)_mm512_loadu_si512(right + pair * kTileK);
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) {
      int32_t both;
      std::memcpy(&both, a + i * a_stride + 2 * pair, sizeof both);
      const auto x = (__m512bh)_mm512_set1_epi32(both);
      l[i] = _mm512_dpbf16_ps(l[i], x, b0);
      r[i] = _mm512_dpbf16_ps(r[i], x, b1);
    }
  }
  for (int i = 0; i < count; ++i) {
    _mm512_storeu_ps(sums + i * sums_stride, l[i]);
    _mm512_storeu_ps(sums + i * sums_stride + kTileN, r[i]);
  }
}

// A text that is continued alone has one row, for which eight would take eight times as long.
void sums_of_rows(int64_t count, const bf16* a, int64_t a_stride, const bf16* left,
                  const bf16* right, int64_t k_tiles, float* sums, int64_t sums_stride) {
  for (; count > 0;
       count -= kMostRows, a += kMostRows * a_stride, sums += kMostRows * sums_stride) {
    if (count == 1)
      sums_of<1>(a, a_stride, left, right, k_tiles, sums, sums_stride);
    else if (count == 2)
      sums_of<2>(a, a_stride, left, right, k_tiles, sums, sums_stride);
    else if (count <= 4)
      sums_of<4>(a, a_stride, left, right, k_tiles, sums, sums_stride);
    else
      sums_of<kMostRows>(a, a_stride, left, right, k_tiles, sums, sums_stride);
  }
}

void block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right, int64_t k_tiles,
           float* sums, int64_t sums_stride) {
  sums_of_rows(kBlock, a, a_stride, left, right, k_tiles, sums, sums_stride);
}

void begin() {}

}  // namespace

const Bf16Kernels kAvx512Rounded = bf16_kernels();
const Instructions kAvx512Bf16 = {kAvx512Floats, kAvx512Rounded, begin, block,
                                  plain_product<sums_of_rows, kMostRows>};

}  // namespace patina::kernels

#pragma GCC pop_options
