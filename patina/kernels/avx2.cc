// For processors with AVX2: the vector instructions that fp32 needs.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace patina::kernels {

#include "patina/kernels/vectors.h"

#include "patina/kernels/attention_loops.h"
#include "patina/kernels/pack_loops.h"
#include "patina/kernels/plain_block.h"
#include "patina/kernels/product_loop.h"
#include "patina/kernels/row_loops.h"

const Instructions kAvx2 = {nothing,
                            plain_block,
                            plain_product<plain_block>,
                            RowLoops<float>::table(),
                            RowLoops<bf16>::table(),
                            pack_matrix<bf16>,
                            pack_matrix<float>,
                            unpack_transposed,
                            kAttention};

}  // namespace patina::kernels

#pragma GCC pop_options
