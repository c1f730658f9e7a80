// From a Task there is no way to the tasks that come.
#include "patina/scenario/scenario.h"

namespace patina::task_without_stream {

int look_ahead(const Task& task) {
#ifndef CONTROL
  return task.stream->next()->index;  // expect: no member named 'stream'
#else
  return task.index;
#endif
}

}  // namespace patina::task_without_stream
