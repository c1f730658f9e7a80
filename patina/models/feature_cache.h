// Where a frozen network's features wait to be asked for again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/tensor.h"

namespace patina {

/// Keeps features by space and key. A space is all that stands between an input and its features:
/// network, adaptations, width. Thread-safe. May forget, and never errs.
class FeatureCache {
 public:
  virtual ~FeatureCache() = default;

  /// Copies the features of known `keys` [N,2] into their rows of `features` [N,D], float; returns
  /// the rows it does not know, ascending.
  virtual std::vector<int64_t> find(const std::string& space, const Tensor& keys,
                                    Tensor& features) = 0;
  /// `features` [N,D], float and contiguous, were computed for `keys` [N,2] that it did not know.
  virtual void add(const std::string& space, const Tensor& keys, const Tensor& features) = 0;
  /// So many samples passed through the network without being asked for here.
  virtual void passed_by(int64_t samples) = 0;
};

}  // namespace patina
