#include "patina/kernels/tiles.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "patina/kernels/isa.h"

namespace patina::kernels {

namespace {

inline bf16 packed(float x) {
  return to_bf16(x);
}
inline bf16 packed(bf16 x) {
  return x;
}

template <class From>
void pack_any(const From* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  const int64_t k_tiles = round_up(k, kTileK) / kTileK;
  std::fill_n(tiles, tiles_size(n, k), bf16{0});
  for (int64_t i = 0; i < n; ++i) {
    const From* at = from + i * row;
    bf16* lane = tiles + i / kTileN * k_tiles * kTile + i % kTileN * 2;
    for (int64_t j = 0; j < k; ++j)
      lane[j / kTileK * kTile + j % kTileK / 2 * kTileK + j % 2] = packed(at[j * column]);
  }
}

}  // namespace

void FreeAligned::operator()(void* p) const {
  std::free(p);
}

template <class T>
Aligned<T> aligned(int64_t count) {
  const auto bytes = size_t(round_up(std::max<int64_t>(count, 1) * int64_t(sizeof(T)), 64));
  auto* memory = static_cast<T*>(std::aligned_alloc(64, bytes));
  if (!memory) throw std::bad_alloc();
  return Aligned<T>(memory);
}
template Aligned<float> aligned(int64_t);
template Aligned<bf16> aligned(int64_t);

int64_t tiles_size(int64_t n, int64_t k) {
  return round_up(n, kBlock) * round_up(k, kTileK);
}

void pack(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  pack_any(from, row, column, n, k, tiles);
}
void pack(const bf16* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  pack_any(from, row, column, n, k, tiles);
}

const Instructions& instructions() {
  switch (isa()) {
    case Isa::amx:
      return kAmx;
    case Isa::avx512_bf16:
      return kAvx512;
    case Isa::avx2:
      return kAvx2;
    case Isa::portable:
      break;
  }
  return kPortable;
}

}  // namespace patina::kernels
