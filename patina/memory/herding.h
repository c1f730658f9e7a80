// Herding: samples of a class whose mean stays near the class's own, the best first, so that a
// shorter list is a prefix of a longer one. Rebuffi et al., "iCaRL", CVPR 2017, algorithms 4 and 5.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// Rows of `features` [N,D] in the order of herding, at most `count` of them. Features are brought
/// to length one first.
std::vector<int64_t> herded(const Tensor& features, int64_t count);

/// Remembered samples of each class, the best first.
class ClassMemory {
 public:
  void set(int64_t target, SampleHandles samples);
  /// Each class keeps its first `count` samples.
  void truncate(int64_t count);
  int64_t classes() const { return int64_t(samples_.size()); }
  const SampleHandles& of_class(int64_t target) const { return samples_.at(size_t(target)); }
  SampleHandles all() const;
  void state(Archive& a);

 private:
  std::vector<SampleHandles> samples_;  // by class
};

}  // namespace patina
