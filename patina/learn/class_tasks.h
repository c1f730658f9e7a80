// Which task introduced each class.
#pragma once

#include <numeric>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/scenario/scenario.h"

namespace patina {

/// Classes are numbered in order of appearance, so those of a task follow all earlier ones.
class ClassTasks {
 public:
  /// To be called when a task begins.
  void add(const Task& task) { fresh_.push_back(int64_t(task.fresh.size())); }

  int64_t classes() const { return first(fresh_.size()); }
  /// The number of classes before the newest task, which is also that task's first class.
  int64_t known() const { return fresh_.empty() ? 0 : first(fresh_.size() - 1); }
  /// The first class of a task; for the task after the newest, the number of classes.
  int64_t first(size_t task) const {
    return std::accumulate(fresh_.begin(), fresh_.begin() + std::ptrdiff_t(task), int64_t{0});
  }
  /// The task of each class: [K].
  Tensor task_of() const {
    std::vector<int64_t> tasks;
    for (size_t t = 0; t < fresh_.size(); ++t)
      tasks.insert(tasks.end(), size_t(fresh_[t]), int64_t(t));
    return tensor_of(tasks);
  }

  void state(Archive& a) { a("fresh", fresh_); }

 private:
  std::vector<int64_t> fresh_;  // number of new classes per task
};

}  // namespace patina
