// For any processor: the reference for the others.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "patina/kernels/tiles.h"

namespace patina::kernels {

#include "patina/kernels/instructions/loops.h"
#include "patina/kernels/instructions/plain_block.h"

const Instructions kPortable = table<nothing, plain_block, plain_product<plain_block>, 4, 1>();

}  // namespace patina::kernels
