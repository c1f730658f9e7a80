// Orders of samples in which like share a batch, so that little of a batch of texts is padding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "patina/base/random.h"

namespace patina {

/// How many batches are sorted together: many enough for even batches, few enough for chance.
inline constexpr int64_t kBatchesSorted = 50;

/// A training order: `order` is cut into windows of kBatchesSorted batches, each window is sorted
/// by cost and cut into batches, and all batches are shuffled by `random`. The samples at the end
/// of `order` that fill no batch stay there, so that a short last batch is a random one. Every
/// sample stays there once. `cost` is indexed by what `order` holds; where all of it is the same,
/// `order` stays as it is.
std::vector<int64_t> bucketed(std::vector<int64_t> order, std::span<const int64_t> cost,
                              int64_t batch_size, Random random);

/// 0..n-1, the costliest first, like ones in their own order: a batch too large for the memory
/// fails at once, and the time left is never underestimated.
std::vector<int64_t> costliest_first(std::span<const int64_t> cost);

}  // namespace patina
