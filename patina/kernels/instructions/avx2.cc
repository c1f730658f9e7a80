// The fp32 kernels for AVX2.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace patina::kernels {

#include "patina/kernels/instructions/float_loops.h"

const FloatKernels kAvx2Floats = float_kernels<StripShape<8, 3, 32, 1024, 1 << 16>>();

}  // namespace patina::kernels

#pragma GCC pop_options
