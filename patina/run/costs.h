// What a run costs: time and arithmetic by part of the work, and what its learner keeps.
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

/// Seconds of wall time by part.
struct Times {
  double total = 0, load = 0, train = 0, evaluate = 0, checkpoint = 0;
  std::vector<double> task_train, task_evaluate;

  void state(Archive& a);
};

/// The sums of a run, which survive a restart.
class Costs {
 public:
  /// What has passed since the last of these calls belongs to that part of the work.
  void loaded();
  void trained();
  double evaluated();  // the seconds that have passed
  void saved();
  /// The current task was learned, and then evaluated in `seconds`.
  void end_task(double seconds);
  /// The total is up to date.
  void sum_up() { times.total += whole_.lap(); }
  /// What the learner keeps beside the untouched backbone, after `tasks` tasks: all that `a`, which
  /// is being saved, holds of it.
  void count_stored(const Archive& a, int tasks);
  void state(Archive& a);

  Times times;
  Flops train_flops, evaluate_flops;
  int64_t stored = 0;                 // numbers that the learner keeps
  std::vector<int64_t> stored_bytes;  // what they take, after each task

 private:
  Flops flops_lap();  // since the last call

  double task_seconds_ = 0;  // of training the current task
  Stopwatch part_, whole_;
  Flops flops_;
};

}  // namespace patina
