#include "patina/kernels/tiles.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "patina/kernels/isa.h"

namespace patina::kernels {

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

void pack(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  instructions().rounded.pack_rounded(from, row, column, n, k, tiles);
}
void pack(const bf16* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  instructions().rounded.pack(from, row, column, n, k, tiles);
}
void pack(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, float* tiles) {
  instructions().floats.pack(from, row, column, n, k, tiles);
}

void unpack(BlockType type, const uint8_t* blocks, int64_t count, float* numbers) {
  switch (isa()) {
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      return unpack_blocks_avx512(type, blocks, count, numbers);
    case Isa::avx2:
      return unpack_blocks_avx2(type, blocks, count, numbers);
    case Isa::portable:
      break;
  }
  const BlockFormat& block = block_format(type);
  dequantize(type, {blocks, size_t(count * block.bytes)}, {numbers, size_t(count * block.numbers)});
}

const Instructions& instructions() {
  switch (isa()) {
    case Isa::amx:
      return kAmx;
    case Isa::avx512_bf16:
      return kAvx512Bf16;
    case Isa::avx512:
      return kAvx512;
    case Isa::avx2:
      return kAvx2;
    case Isa::portable:
      break;
  }
  return kPortable;
}

}  // namespace patina::kernels
