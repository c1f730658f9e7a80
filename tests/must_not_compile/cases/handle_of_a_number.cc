// A memory holds samples that were shown: a handle cannot be made of a number.
#include "patina/learn/learner.h"

namespace patina::handle_of_a_number {

void keep(SampleHandles& memory, [[maybe_unused]] const Batch& batch) {
#ifndef CONTROL
  memory.add(SampleHandle(1000, 0));  // expect: is private within this context|calling a private
#else
  memory.add(batch.handles());
#endif
}

}  // namespace patina::handle_of_a_number
