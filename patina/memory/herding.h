// Herding: orders samples of a class so that the mean of every prefix is near the class's mean;
// shorter lists are prefixes of longer ones. Rebuffi et al., "iCaRL", CVPR 2017, algorithms 4 and
// 5.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// Rows of `features` [N,D] in herding order, at most `count` of them. Features are normalised to
/// unit length first.
std::vector<int64_t> herded(const Tensor& features, int64_t count);

/// Memory samples of each class, in herding order.
class ClassMemory {
 public:
  void set(int64_t target, SampleHandles samples);
  /// Reduces each class to its first `count` samples.
  void truncate(int64_t count);
  int64_t classes() const { return int64_t(samples_.size()); }
  const SampleHandles& of_class(int64_t target) const { return samples_.at(size_t(target)); }
  SampleHandles all() const;
  void state(Archive& a);

 private:
  std::vector<SampleHandles> samples_;  // by class
};

}  // namespace patina
