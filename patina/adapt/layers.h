// Which blocks of a network an adaptation changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace patina::adapt {

/// Whether `layers` contains block `layer`. An empty list means all blocks.
inline bool chosen(int64_t layer, const std::vector<int64_t>& layers) {
  return layers.empty() || std::ranges::count(layers, layer) > 0;
}

}  // namespace patina::adapt
