// The accuracy matrix and the metrics computed from it.
//
// R[i][j] is the score on task j's test set after learning i tasks; row 0 is measured before any
// learning, so there are T+1 rows and T columns. Undefined entries are nullopt, never 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

using Score = std::optional<double>;

class AccuracyMatrix {
 public:
  /// All entries undefined.
  explicit AccuracyMatrix(int tasks);

  int tasks() const { return tasks_; }
  /// The score on `task`, in [0, T), after learning `after` tasks, in [0, T].
  Score at(int after, int task) const;
  void set(int after, int task, Score score);

  /// Number of test samples per task: the weights of micro-averaged (per-sample) accuracies. Empty
  /// means equal weights.
  std::vector<int64_t> samples;

 private:
  size_t index(int after, int task) const;

  int tasks_;
  std::vector<Score> entries_;  // [T+1,T], row by row
};

/// Chaudhry's f_j of task j = `task` (from 0) after `after` tasks: the best accuracy in rows 1 to
/// after-1 minus the accuracy in row `after`. Rows before the task was learned are included if
/// measured. Undefined if the task is the last one learned or was not learned yet.
Score task_forgetting(const AccuracyMatrix& matrix, int after, int task);

/// A named metric: its formula and divisor are data, so tables, docs and records show the same
/// text.
struct Metric {
  std::string name;     // "forgetting"
  std::string formula;  // "1/(T-1) sum_{j<T} (max_{1<=l<T} R[l][j] - R[T][j])"
  std::string source;   // "Chaudhry et al., ECCV 2018"
  std::string about;    // what it tells and which direction is good
  Score (*value)(const AccuracyMatrix&);
};

/// Every metric, in the order of reports.
const std::vector<Metric>& metrics();
/// The metric of that name; throws Error(usage) with "did you mean".
const Metric& metric(std::string_view name);

/// The reference page of all metrics, docs/reference/metrics.md.
std::string metrics_markdown();

}  // namespace patina
