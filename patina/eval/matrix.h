// The accuracy matrix and every metric that is one function over it.
//
// R[i][j] is the score on task j's test set after learning i tasks; row 0 is measured before any
// learning, so there are T+1 rows and T columns. Undefined entries are nullopt, never 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace patina {

using Score = std::optional<double>;

class AccuracyMatrix {
 public:
  explicit AccuracyMatrix(int tasks);
  int tasks() const { return tasks_; }
  Score at(int after, int task) const;               // after in [0, T], task in [0, T)
  void set(int after, int task, Score score);
  /// Test samples of each task: weights of the micro-averaged (per-sample) accuracies.
  std::vector<int64_t> samples;

 private:
  int tasks_;
  std::vector<Score> entries_;
};

/// A named metric: its formula and divisor are data, so tables, docs and records show the same text.
struct Metric {
  std::string name;      // "forgetting"
  std::string formula;   // "1/(T-1) sum_{j<T} max_{1<=l<T} R[l][j] - R[T][j]"
  std::string source;    // "Chaudhry et al., ECCV 2018"
  std::string about;     // one sentence: what it tells and which direction is good
  Score (*value)(const AccuracyMatrix&);
};

/// Every metric, in the order of reports.
const std::vector<Metric>& metrics();
/// The metric of that name; throws Error(usage) with "did you mean".
const Metric& metric(std::string_view name);

}  // namespace patina
