// A hash of tensors that is made once, and again when they change.
#pragma once

#include <mutex>

#include "patina/nn/module.h"

namespace patina::nn {

/// A hash of tensors, made again only when one of them was replaced or changed in place. Writes
/// through raw pointers go unnoticed. Thread-safe. A copy begins without one.
class TensorsHash {
 public:
  TensorsHash() = default;
  TensorsHash(const TensorsHash&) {}
  TensorsHash& operator=(const TensorsHash&);

  /// `make` is called when there is no hash of these tensors as they are.
  std::string operator()(const std::vector<NamedTensor>& tensors,
                         const std::function<std::string()>& make);

 private:
  std::mutex mutex_;
  std::vector<Tensor> tensors_;  // held, so that no new one can take an old one's place in memory
  std::vector<int64_t> versions_;
  std::string hash_;
};

}  // namespace patina::nn
