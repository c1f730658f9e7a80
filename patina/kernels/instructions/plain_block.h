// One block of a product without bf16 instructions. Included by the instruction sets that have
// none.
#pragma once

namespace {

// The even and the odd elements of 32 bf16.
struct Pairs {
  Floats even, odd;

  [[gnu::always_inline]] explicit inline Pairs(const bf16* from) {
    const Ints both = load<Ints>(from);
    even = floats_of_bits(both << 16);
    odd = floats_of_bits(both & int32_t(0xffff0000));
  }
};

inline void plain_rows(int64_t count, const bf16* a, int64_t a_stride, const bf16* left,
                       const bf16* right, int64_t k_tiles, float* sums, int64_t sums_stride) {
  constexpr int kRows = 2;  // their sums fill eight registers of eight floats
  for (int64_t i = 0; i < count; i += kRows) {
    const bf16* rows = a + i * a_stride;
    Floats l[kRows] = {}, r[kRows] = {};
    for (int64_t at = 0; at < k_tiles * kTile; at += kTileK) {
      const int64_t k = at / kTileN;
      const Pairs b0(left + at), b1(right + at);
#pragma GCC unroll 2
      for (int row = 0; row < kRows; ++row) {
        const Floats even = same(to_float(rows[row * a_stride + k]));
        const Floats odd = same(to_float(rows[row * a_stride + k + 1]));
        l[row] += even * b0.even;
        r[row] += even * b1.even;
        l[row] += odd * b0.odd;
        r[row] += odd * b1.odd;
      }
    }
    for (int row = 0; row < kRows; ++row) {
      store(l[row], sums + (i + row) * sums_stride);
      store(r[row], sums + (i + row) * sums_stride + kTileN);
    }
  }
}

inline void plain_block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right,
                        int64_t k_tiles, float* sums, int64_t sums_stride) {
  plain_rows(kBlock, a, a_stride, left, right, k_tiles, sums, sums_stride);
}

inline void nothing() {}

}  // namespace
