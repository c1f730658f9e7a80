// For processors with AVX2: the vector instructions that fp32 needs.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace patina::kernels {

#include "patina/kernels/instructions/loops.h"
#include "patina/kernels/instructions/plain_block.h"

const Instructions kAvx2 = table<nothing, plain_block, plain_product<plain_block>, 8, 3>();

}  // namespace patina::kernels

#pragma GCC pop_options
