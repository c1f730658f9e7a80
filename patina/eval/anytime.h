// Accuracy while a stream flows: the anytime curve of online continual learning, and every metric
// that is one function over it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/eval/matrix.h"

namespace patina {

/// What was measured at one moment of a stream, on the test samples of the classes met so far.
struct AnytimePoint {
  int64_t samples = 0;          // of the stream seen before
  std::vector<int64_t> right;   // correctly predicted test samples, by class: of those met so far
  std::vector<int64_t> tested;  // how many there are of each

  /// Over all those samples. Undefined where there are none.
  Score accuracy() const;
  /// Of one class. Undefined where it was not met or has no test samples.
  Score accuracy(size_t c) const;
};

/// Points in the order of the stream; the last is its end.
using AnytimeCurve = std::vector<AnytimePoint>;

/// A named metric over the curve; undefined where there is no point.
struct AnytimeMetric {
  std::string name, formula, source, about;
  Score (*value)(const AnytimeCurve&);
};

/// Every one, in the order of reports.
const std::vector<AnytimeMetric>& anytime_metrics();
/// The metric of that name; throws Error(usage) with "did you mean".
const AnytimeMetric& anytime_metric(std::string_view name);

/// Their part of docs/reference/metrics.md.
std::string anytime_metrics_markdown();

}  // namespace patina
