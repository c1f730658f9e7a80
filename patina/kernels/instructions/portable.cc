// The fp32 kernels for any processor: the reference for the others.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

#include "patina/kernels/instructions/float_loops.h"

const FloatKernels kPortableFloats = float_kernels<StripShape<4, 1, 32, 1024, 1 << 17>>();

}  // namespace patina::kernels
