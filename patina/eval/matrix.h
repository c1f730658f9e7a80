// The matrix of scores and the metrics computed from it.
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

/// Which scores are good ones.
enum class Direction { higher, lower };

/// Scores of each task after each task. Columns may have metrics of their own: accuracies, or of a
/// language model exact matches, bits per byte and so on.
class ScoreMatrix {
 public:
  /// All entries undefined.
  explicit ScoreMatrix(int tasks);

  int tasks() const { return tasks_; }
  /// The score on `task`, in [0, T), after learning `after` tasks, in [0, T].
  Score at(int after, int task) const;
  void set(int after, int task, Score score);

  /// Number of test samples per task: the weights of micro-averaged (per-sample) accuracies. Empty
  /// means equal weights.
  std::vector<int64_t> samples;
  /// Which scores of each column are good. Empty: the higher ones.
  std::vector<Direction> directions;

  Direction direction(int task) const;
  /// How much better score `a` of a task is than `b`; undefined if one of them is.
  Score gain(int task, Score a, Score b) const;
  /// Whether a mean over columns has a direction: whether all columns have the same.
  bool one_direction() const;

 private:
  size_t index(int after, int task) const;

  int tasks_;
  std::vector<Score> entries_;  // [T+1,T], row by row
};

/// A matrix whose scores are accuracies.
using AccuracyMatrix = ScoreMatrix;

/// Chaudhry's f_j of task j = `task` (from 0) after `after` tasks: by how much the best score in
/// rows 1 to after-1 is better than that in row `after`. Rows before the task was learned are
/// included if measured. Undefined if the task is the last one learned or was not learned yet.
Score task_forgetting(const ScoreMatrix& matrix, int after, int task);

/// A named metric: its formula and divisor are data, so tables, docs and records show the same
/// text.
struct Metric {
  std::string name;     // "forgetting"
  std::string formula;  // "1/(T-1) sum_{j<T} (max_{1<=l<T} R[l][j] - R[T][j])"
  std::string source;   // "Chaudhry et al., ECCV 2018"
  std::string about;    // what it tells and which direction is good
  Score (*value)(const ScoreMatrix&);
};

/// Every metric, in the order of reports.
const std::vector<Metric>& metrics();
/// The metric of that name; throws Error(usage) with "did you mean".
const Metric& metric(std::string_view name);

/// The reference page of all metrics, docs/reference/metrics.md.
std::string metrics_markdown();

}  // namespace patina
