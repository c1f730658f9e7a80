// The fp32 kernels for AVX-512.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma,prefer-vector-width=512")

namespace patina::kernels {

#define PATINA_AVX512
#include "patina/kernels/instructions/float_loops.h"

const FloatKernels kAvx512Floats = float_kernels<StripShape<16, 14, 32, 1024, 1 << 17>>();

}  // namespace patina::kernels

#pragma GCC pop_options
