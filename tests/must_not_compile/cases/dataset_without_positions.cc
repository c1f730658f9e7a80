// Where a sample lies in its source is not told either: its neighbours could be guessed.
#include "patina/learn/learner.h"

namespace patina::dataset_without_positions {

int64_t first(const Task& task) {
#ifndef CONTROL
  return task.train->position(0);  // expect: is private within this context|is a private member
#else
  return task.train->target(0);
#endif
}

}  // namespace patina::dataset_without_positions
