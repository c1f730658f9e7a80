// Interface of a cache for a frozen network's features.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/tensor.h"

namespace patina {

/// Stores features by space and key. A space names everything between an input and its features:
/// network, adaptations, width. All tensors are on the host. Thread-safe. It may drop entries, but
/// never returns wrong ones.
class FeatureCache {
 public:
  virtual ~FeatureCache() = default;

  /// Copies the features of cached `keys` [N,2] into their rows of `features` [N,D], float; returns
  /// the other rows, ascending.
  virtual std::vector<int64_t> find(const std::string& space, const Tensor& keys,
                                    Tensor& features) = 0;
  /// Adds `features` [N,D], float and contiguous, computed for `keys` [N,2] that were not cached.
  virtual void add(const std::string& space, const Tensor& keys, const Tensor& features) = 0;
  /// Counts samples that passed through the network without a look-up.
  virtual void passed_by(int64_t samples) = 0;
};

}  // namespace patina
