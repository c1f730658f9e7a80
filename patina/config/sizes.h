// The range of options that say how large something is.
#pragma once

#include "patina/config/fields.h"

namespace patina {

/// For a number of units, rows or prompts that weights are allocated for: from `low` to 2^20, so
/// that a mistyped size is refused and not allocated.
inline Range sized(double low) {
  return between(low, 1 << 20);
}

}  // namespace patina
