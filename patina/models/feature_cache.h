// Where a frozen network's features wait to be asked for again, and the hash that tells whether it
// is still the same network.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "patina/nn/module.h"

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

/// A hash of tensors, made again only when one of them was replaced or changed in place. Writes
/// through raw pointers go unnoticed. Thread-safe. A copy begins without one.
class TensorsHash {
 public:
  TensorsHash() = default;
  TensorsHash(const TensorsHash&) {}
  TensorsHash& operator=(const TensorsHash&);

  /// `make` is called when there is no hash of these tensors as they are.
  std::string operator()(const std::vector<nn::NamedTensor>& tensors,
                         const std::function<std::string()>& make);

 private:
  std::mutex mutex_;
  std::vector<Tensor> tensors_;  // held, so that no new one can take an old one's place in memory
  std::vector<int64_t> versions_;
  std::string hash_;
};

}  // namespace patina
