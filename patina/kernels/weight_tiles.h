// Weights of bf16 that are held as the tiles that products read: packed once, and as large as their
// rows but for rounding up to 32.
#pragma once

#include "patina/kernels/stored_weight.h"

namespace patina::kernels {

/// The same weight in tiles, if all of its numbers are bf16 and rounding up adds at most a
/// sixteenth; else the weight itself. The bytes of a weight in tiles are [strips of 32 rows, bytes
/// of a strip], laid out as `pack` of tiles.h has them. Whatever takes a stored weight takes this
/// one, too.
StoredWeight in_tiles(const StoredWeight& weight);

}  // namespace patina::kernels
