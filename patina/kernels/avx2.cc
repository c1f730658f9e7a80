// For processors with AVX2: the vector instructions that fp32 needs.
#include <algorithm>
#include <cmath>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace patina::kernels {

#include "patina/kernels/plain_block.h"
#include "patina/kernels/product_loop.h"
#include "patina/kernels/row_loops.h"

const Instructions kAvx2 = {nothing, plain_block, plain_product<plain_block>,
                            RowLoops<float>::table(), RowLoops<bf16>::table()};

}  // namespace patina::kernels

#pragma GCC pop_options
