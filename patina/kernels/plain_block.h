// One block of a product without any special instruction. Included by the instruction sets that
// have none for bf16; bf16 runs there to be checked, not to be fast.

namespace {

inline void plain_block(const bf16* a, int64_t a_stride, const bf16* left, int64_t k_tiles,
                        float* sums, int64_t sums_stride) {
  for (int64_t i = 0; i < kBlock; ++i) {
    float* row = sums + i * sums_stride;
    std::fill_n(row, kBlock, 0.0f);
    for (int64_t k = 0; k < k_tiles * kTileK; ++k) {
      const float x = to_float(a[i * a_stride + k]);
      for (int64_t j = 0; j < kBlock; ++j)
        row[j] += x * to_float(left[(j / kTileN * k_tiles + k / kTileK) * kTile +
                                    k % kTileK / 2 * kTileK + j % kTileN * 2 + k % 2]);
    }
  }
}

inline void nothing() {}

}  // namespace
