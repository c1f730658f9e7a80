// For any processor: the reference for the others.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

#include "patina/kernels/vectors.h"

#include "patina/kernels/attention_loops.h"
#include "patina/kernels/pack_loops.h"
#include "patina/kernels/plain_block.h"
#include "patina/kernels/product_loop.h"
#include "patina/kernels/row_loops.h"

const Instructions kPortable = {nothing,
                                plain_block,
                                plain_product<plain_block>,
                                RowLoops<float>::table(),
                                RowLoops<bf16>::table(),
                                pack_matrix<bf16>,
                                pack_matrix<float>,
                                unpack_transposed,
                                kAttention};

}  // namespace patina::kernels
