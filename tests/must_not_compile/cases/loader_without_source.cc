// What loads samples again does not show where they are loaded from.
#include "patina/learn/learner.h"

namespace patina::loader_without_source {

Dataset everything(const Setup& setup, [[maybe_unused]] const Batch& batch) {
#ifndef CONTROL
  return whole(setup.loader().source());  // expect: no member named 'source'
#else
  return setup.loader().dataset(batch.handles());
#endif
}

}  // namespace patina::loader_without_source
