// Samples are loaded again by handles, not by where they lie.
#include "patina/learn/learner.h"

namespace patina::samples_by_number {

Batch peek(const SampleLoader& samples, [[maybe_unused]] const Batch& batch) {
#ifndef CONTROL
  const std::vector<int64_t> anywhere{1000};
  return samples(anywhere, Random());  // expect: no match for call|no matching function
#else
  return samples(batch.handles(), Random());
#endif
}

}  // namespace patina::samples_by_number
