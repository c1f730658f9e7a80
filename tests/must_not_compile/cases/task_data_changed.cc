// The samples of a task are read, not changed: the next learner meets the same.
#include "patina/scenario/scenario.h"

namespace patina::task_data_changed {

void replace(const Task& task, const Dataset& other) {
#ifndef CONTROL
  *task.train = other;  // expect: passing 'const .*Dataset' as 'this'|no viable overloaded '='
#else
  Dataset copy = *task.train;
  copy = other;
#endif
}

}  // namespace patina::task_data_changed
