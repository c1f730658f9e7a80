// Which blocks of a network an adaptation changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace patina::adapt {

/// Whether block `layer` is among `layers`, which name all where they are empty.
inline bool chosen(int64_t layer, const std::vector<int64_t>& layers) {
  return layers.empty() || std::ranges::count(layers, layer) > 0;
}

}  // namespace patina::adapt
