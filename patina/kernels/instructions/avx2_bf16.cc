// The bf16 kernels for processors without bf16 instructions.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace patina::kernels {

#include "patina/kernels/instructions/bf16_loops.h"
#include "patina/kernels/instructions/plain_block.h"

const Bf16Kernels kAvx2Rounded = bf16_kernels();
const Instructions kAvx2 = {kAvx2Floats, kAvx2Rounded, nothing, plain_block,
                            plain_product<plain_rows, 2>};
const Instructions kAvx512 = {kAvx512Floats, kAvx2Rounded, nothing, plain_block,
                              plain_product<plain_rows, 2>};

}  // namespace patina::kernels

#pragma GCC pop_options
