#include "patina/kernels/packed_matrix.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "patina/kernels/isa.h"

namespace patina::kernels {

namespace {

constexpr int64_t kTileN = 16, kTileK = 32, kTile = kTileN * kTileK;
constexpr int64_t kBlock = 32;    // rows and columns of C that stay in registers
constexpr int64_t kPanel = 256;   // rows of A that stay in the second cache

int64_t tiles(int64_t n, int64_t of) {
  return (n + of - 1) / of;
}

float gelu(float x) {
  return 0.5f * x * (1 + std::erf(x * 0.70710678f));
}

void store(float* to, float x) {
  *to = x;
}
void store(bf16* to, float x) {
  *to = to_bf16(x);
}

// One block of finished sums [rows, kBlock] to C: bias, activation, type; plain.
template <class Out>
void finish_portable(const float* sums, int64_t rows, int64_t columns, const float* bias,
                     Epilogue::Activation activation, Out* c, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      float x = sums[i * kBlock + j] + (bias ? bias[j] : 0);
      if (activation == Epilogue::Activation::gelu) x = gelu(x);
      store(c + i * stride + j, x);
    }
}

#define PATINA_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma"), always_inline)) inline

// exp(x) for x <= 0, relative error below 2e-7: 2^n times a polynomial in the rest.
PATINA_AVX512 __m512 exp_of_negative(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-87));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.98412698e-4f);
  for (const float c : {1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 0.5f, 1.0f,
                        1.0f})
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  return _mm512_scalef_ps(p, n);
}

// x Φ(x) with Abramowitz and Stegun's 7.1.26 for erf: absolute error below 2e-7 |x|.
PATINA_AVX512 __m512 gelu(__m512 x) {
  const __m512 z = _mm512_abs_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678f)));
  const __m512 t = _mm512_div_ps(_mm512_set1_ps(1),
                                 _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), z, _mm512_set1_ps(1)));
  __m512 p = _mm512_set1_ps(1.061405429f);
  for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(c));
  const __m512 tail = _mm512_mul_ps(
      _mm512_mul_ps(p, t), exp_of_negative(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(z, z))));
  // Φ(x) is tail/2 on the left of zero and 1 - tail/2 on the right.
  const __m512 half = _mm512_mul_ps(tail, _mm512_set1_ps(0.5f));
  const __mmask16 right = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
  return _mm512_mul_ps(x, _mm512_mask_sub_ps(half, right, _mm512_set1_ps(1), half));
}

PATINA_AVX512 void put(float* to, __mmask16 which, __m512 x) {
  _mm512_mask_storeu_ps(to, which, x);
}
PATINA_AVX512 void put(bf16* to, __mmask16 which, __m512 x) {
  const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x);
  _mm256_mask_storeu_epi16(to, which, rounded);
}

template <class Out>
PATINA_AVX512 void finish(const float* sums, int64_t rows, int64_t columns, const float* bias,
                          Epilogue::Activation activation, Out* c, int64_t stride) {
  for (int64_t j = 0; j < columns; j += 16) {
    const auto which = __mmask16(columns - j >= 16 ? 0xffff : (1u << (columns - j)) - 1);
    const __m512 shift = bias ? _mm512_maskz_loadu_ps(which, bias + j) : _mm512_setzero_ps();
    for (int64_t i = 0; i < rows; ++i) {
      __m512 x = _mm512_add_ps(_mm512_loadu_ps(sums + i * kBlock + j), shift);
      if (activation == Epilogue::Activation::gelu) x = gelu(x);
      put(c + i * stride + j, which, x);
    }
  }
}

struct TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

#define PATINA_AMX __attribute__((target("amx-tile,amx-bf16")))

PATINA_AMX void configure_tiles() {
  static const TileConfig config;
  _tile_loadconfig(&config);
}

// sums [32,32] = A [32,K] times two columns of tiles.
PATINA_AMX void block_amx(const bf16* a, int64_t stride, const bf16* left, const bf16* right,
                          int64_t k_tiles, float* sums) {
  const int64_t bytes = stride * int64_t(sizeof(bf16));
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < k_tiles; ++k) {
    _tile_loadd(4, a + k * kTileK, bytes);
    _tile_loadd(6, left + k * kTile, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right + k * kTile, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * stride + k * kTileK, bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  constexpr int64_t kRow = kBlock * sizeof(float);
  _tile_stored(0, sums, kRow);
  _tile_stored(1, sums + 16, kRow);
  _tile_stored(2, sums + 16 * kBlock, kRow);
  _tile_stored(3, sums + 16 * kBlock + 16, kRow);
}

// The same by 8 rows at a time with vector instructions.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma"))) void block_avx512(
    const bf16* a, int64_t stride, const bf16* left, const bf16* right, int64_t k_tiles,
    float* sums) {
  constexpr int kRows = 8;
  for (int64_t first = 0; first < kBlock; first += kRows) {
    __m512 l[kRows], r[kRows];
    for (int i = 0; i < kRows; ++i) l[i] = r[i] = _mm512_setzero_ps();
    for (int64_t pair = 0; pair < k_tiles * 16; ++pair) {
      const auto b0 = (__m512bh)_mm512_loadu_si512(left + pair * 32);
      const auto b1 = (__m512bh)_mm512_loadu_si512(right + pair * 32);
      for (int i = 0; i < kRows; ++i) {
        int32_t both;
        std::memcpy(&both, a + (first + i) * stride + 2 * pair, sizeof both);
        const auto x = (__m512bh)_mm512_set1_epi32(both);
        l[i] = _mm512_dpbf16_ps(l[i], x, b0);
        r[i] = _mm512_dpbf16_ps(r[i], x, b1);
      }
    }
    for (int i = 0; i < kRows; ++i) {
      _mm512_storeu_ps(sums + (first + i) * kBlock, l[i]);
      _mm512_storeu_ps(sums + (first + i) * kBlock + 16, r[i]);
    }
  }
}

void block_portable(const bf16* a, int64_t stride, const bf16* left, const bf16* right,
                    int64_t k_tiles, float* sums) {
  std::fill_n(sums, kBlock * kBlock, 0.0f);
  for (int64_t i = 0; i < kBlock; ++i)
    for (int64_t k = 0; k < k_tiles * kTileK; ++k) {
      const float x = to_float(a[i * stride + k]);
      const int64_t at = k / 2 * 32 + k % 2;
      for (int64_t j = 0; j < kTileN; ++j) {
        sums[i * kBlock + j] += x * to_float(left[at + 2 * j]);
        sums[i * kBlock + 16 + j] += x * to_float(right[at + 2 * j]);
      }
    }
}

template <class Out>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma"))) void finish_avx512(
    const float* sums, int64_t rows, int64_t columns, const float* bias,
    Epilogue::Activation activation, Out* c, int64_t stride) {
  finish(sums, rows, columns, bias, activation, c, stride);
}

}  // namespace

bf16 to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return bf16(bits >> 16 | 0x40);
  return bf16((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float to_float(bf16 x) {
  const uint32_t bits = uint32_t(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

namespace {

__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma"))) void round_avx512(
    const float* from, int64_t columns, bf16* to) {
  for (int64_t j = 0; j < columns; j += 16) {
    const auto which = __mmask16(columns - j >= 16 ? 0xffff : (1u << (columns - j)) - 1);
    put(to + j, which, _mm512_maskz_loadu_ps(which, from + j));
  }
}

}  // namespace

void round_rows(const float* from, int64_t rows, int64_t columns, bf16* to, int64_t stride) {
  const bool wide = isa() != Isa::portable;
  for (int64_t i = 0; i < rows; ++i, from += columns, to += stride) {
    if (wide)
      round_avx512(from, columns, to);
    else
      std::transform(from, from + columns, to, to_bf16);
    std::fill(to + columns, to + stride, bf16{0});
  }
}

void PackedMatrix::Free::operator()(bf16* p) const {
  std::free(p);
}

PackedMatrix::PackedMatrix(const float* weight, int64_t n, int64_t k, bool transposed)
    : n_(n), k_(k), n_tiles_(tiles(n, kBlock) * 2), k_tiles_(tiles(k, kTileK)) {
  const size_t count = size_t(n_tiles_ * k_tiles_ * kTile);
  auto* memory = static_cast<bf16*>(std::aligned_alloc(64, count * sizeof(bf16)));
  if (!memory) throw std::bad_alloc();
  tiles_.reset(memory);
  std::fill_n(memory, count, bf16{0});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) {
      const int64_t tile = i / kTileN * k_tiles_ + j / kTileK;
      memory[tile * kTile + j % kTileK / 2 * 32 + i % kTileN * 2 + j % 2] =
          to_bf16(transposed ? weight[j * n + i] : weight[i * k + j]);
    }
}

template <class Out>
void PackedMatrix::product(const bf16* a, int64_t m, Out* c, int64_t stride,
                           const Epilogue& e) const {
  const Isa best = isa();
  const auto block = best == Isa::amx           ? block_amx
                     : best == Isa::avx512_bf16 ? block_avx512
                                                : block_portable;
  const auto end = best == Isa::portable ? finish_portable<Out> : finish_avx512<Out>;
  if (best == Isa::amx) configure_tiles();
  alignas(64) float sums[kBlock * kBlock];
  const int64_t width = padded_k();
  // The last rows, short of a block, with zeros below them.
  const int64_t whole = m / kBlock * kBlock;
  std::vector<bf16> rest;
  if (whole < m) {
    rest.assign(size_t(kBlock * width), 0);
    std::copy(a + whole * width, a + m * width, rest.begin());
  }
  for (int64_t panel = 0; panel < m; panel += kPanel)
    for (int64_t j = 0; j < n_; j += kBlock) {
      const bf16* left = tiles_.get() + j / kTileN * k_tiles_ * kTile;
      const bf16* right = left + k_tiles_ * kTile;
      for (int64_t i = panel; i < std::min(panel + kPanel, m); i += kBlock) {
        block(i < whole ? a + i * width : rest.data(), width, left, right, k_tiles_, sums);
        end(sums, std::min(kBlock, m - i), std::min(kBlock, n_ - j), e.bias ? e.bias + j : nullptr,
            e.activation, c + i * stride + j, stride);
      }
    }
}

void PackedMatrix::multiply(const bf16* a, int64_t m, float* c, int64_t stride,
                            const Epilogue& e) const {
  product(a, m, c, stride, e);
}

void PackedMatrix::multiply(const bf16* a, int64_t m, bf16* c, int64_t stride,
                            const Epilogue& e) const {
  product(a, m, c, stride, e);
}

}  // namespace patina::kernels
