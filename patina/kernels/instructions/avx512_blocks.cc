// Numbers of blocks as floats for AVX-512.
#include <bit>
#include <cstring>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")

namespace patina::kernels {

#include "patina/kernels/instructions/block_loops.h"

void unpack_blocks_avx512(BlockType type, const uint8_t* blocks, int64_t count, float* numbers) {
  unpack_blocks(type, blocks, count, numbers);
}

}  // namespace patina::kernels

#pragma GCC pop_options
