// A learner is handed a Task, and a Task knows no test sample.
#include "patina/scenario/scenario.h"

namespace patina::task_without_test {

int64_t peek(const Task& task) {
#ifndef CONTROL
  return task.test->size();  // expect: no member named 'test'
#else
  return task.train->size();
#endif
}

}  // namespace patina::task_without_test
