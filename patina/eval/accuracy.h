// Accuracy from raw per-sample predictions: where every entry of the matrix comes from.
#pragma once

#include <cstdint>
#include <span>

#include "patina/eval/matrix.h"

namespace patina {

/// The fraction of samples whose predicted class is the target. Undefined if there are none. Both
/// spans have one entry per sample.
Score accuracy(std::span<const int64_t> predicted, std::span<const int64_t> target);

}  // namespace patina
