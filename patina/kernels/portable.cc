// For any processor: the reference for the others.
#include <algorithm>
#include <cmath>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

#include "patina/kernels/plain_block.h"
#include "patina/kernels/product_loop.h"
#include "patina/kernels/row_loops.h"

const Instructions kPortable = {nothing, plain_block, plain_product<plain_block>,
                                RowLoops<float>::table(), RowLoops<bf16>::table()};

}  // namespace patina::kernels
