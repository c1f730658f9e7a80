// The bf16 kernels for any processor: the reference for the others.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

#include "patina/kernels/instructions/bf16_loops.h"
#include "patina/kernels/instructions/plain_block.h"

const Bf16Kernels kPortableRounded = bf16_kernels();
const Instructions kPortable = {kPortableFloats, kPortableRounded, nothing, plain_block,
                                plain_product<plain_rows, 2>};

}  // namespace patina::kernels
