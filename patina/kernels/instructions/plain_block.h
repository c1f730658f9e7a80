// One block of a product without any special instruction. Included by the instruction sets that
// have none for bf16; bf16 runs there to be checked, not to be fast.
#pragma once

namespace {

inline void plain_block(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right,
                        int64_t k_tiles, float* sums, int64_t sums_stride) {
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

inline void nothing() {}

}  // namespace
