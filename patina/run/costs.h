// The costs of a run: time and arithmetic per part of the work, and the size of the learner's
// state.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/kernels/flops.h"

namespace patina {

class Stopwatch {
 public:
  double lap() {  // seconds since the last call
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Wall time in seconds, by part.
struct Times {
  double total = 0, load = 0, train = 0, evaluate = 0, checkpoint = 0;
  std::vector<double> task_train, task_evaluate;

  void state(Archive& a);
};

/// The totals of a run. They continue when the run is resumed.
class Costs {
 public:
  /// Adds the time since the last of these calls to the named part of the work.
  void loaded();
  void trained();
  double evaluated();  // returns that time in seconds
  void saved();
  /// To be called after the current task was learned, and evaluated in `seconds`.
  void end_task(double seconds);
  /// Updates the total.
  void sum_up() { times.total += whole_.lap(); }
  /// Counts what the learner stores besides the pre-trained backbone after `tasks` tasks:
  /// everything in the archive `a` that is being saved.
  void count_stored(const Archive& a, int tasks);
  void state(Archive& a);

  Times times;
  Flops train_flops, evaluate_flops;
  int64_t stored = 0;                 // numbers the learner stores
  std::vector<int64_t> stored_bytes;  // their size in bytes, after each task

 private:
  Flops flops_lap();  // since the last call

  double task_seconds_ = 0;  // training time of the current task
  Stopwatch part_, whole_;
  Flops flops_;
};

}  // namespace patina
