// From a task's samples there is no way back to the source, which holds those of tasks to come.
#include "patina/learn/learner.h"

namespace patina::dataset_without_source {

int64_t all_there_is(const Task& task) {
#ifndef CONTROL
  return task.train->source().size();  // expect: is private within this context|is a private member
#else
  return task.train->size();
#endif
}

}  // namespace patina::dataset_without_source
