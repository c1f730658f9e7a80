// A cached hash of tensors, recomputed when they change.
#pragma once

#include <mutex>

#include "patina/nn/module.h"

namespace patina::nn {

/// Caches a hash of tensors; recomputed only after one of them was replaced or modified in place.
/// Writes through raw pointers go unnoticed. Thread-safe. A copy starts empty.
class TensorsHash {
 public:
  TensorsHash() = default;
  TensorsHash(const TensorsHash&) {}
  TensorsHash& operator=(const TensorsHash&);

  /// Returns the hash; calls `make` if there is none for the tensors in their current state.
  std::string operator()(const std::vector<NamedTensor>& tensors,
                         const std::function<std::string()>& make);

 private:
  std::mutex mutex_;
  std::vector<Tensor> tensors_;  // held, so that no new tensor can reuse an old one's address
  std::vector<int64_t> versions_;
  std::string hash_;
};

}  // namespace patina::nn
