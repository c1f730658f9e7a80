// Orders in which samples of similar length share a batch, to reduce padding in batches of texts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "patina/base/random.h"

namespace patina {

/// Number of batches sorted together: enough for uniform batches, few enough for randomness.
inline constexpr int64_t kBatchesSorted = 50;

/// A training order: cuts `order` into windows of kBatchesSorted batches, sorts each window by
/// cost, cuts it into batches, and shuffles all batches with `random`. Samples at the end of
/// `order` that fill no batch stay there, so that a short last batch is random. The result contains
/// every sample once. `cost` is indexed by the values in `order`; if all costs are equal, `order`
/// is unchanged.
std::vector<int64_t> bucketed(std::vector<int64_t> order, std::span<const int64_t> cost,
                              int64_t batch_size, Random random);

/// 0 to n-1 by decreasing cost, equal costs in order: a batch too large for the memory fails at
/// once, and estimates of the remaining time are not too low.
std::vector<int64_t> costliest_first(std::span<const int64_t> cost);

}  // namespace patina
