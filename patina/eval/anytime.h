// Accuracy during a stream: the anytime curve of online continual learning, and the metrics
// computed from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/eval/matrix.h"

namespace patina {

/// A measurement during a stream, on the test samples of the classes seen so far.
struct AnytimePoint {
  int64_t samples = 0;          // of the stream seen before
  std::vector<int64_t> right;   // correct predictions per class, for the classes seen so far
  std::vector<int64_t> tested;  // number of test samples per class

  /// Accuracy over all those samples. Undefined if there are none.
  Score accuracy() const;
  /// Accuracy of one class. Undefined if it was not seen or has no test samples.
  Score accuracy(size_t c) const;
};

/// Points in the order of the stream; the last one is its end.
using AnytimeCurve = std::vector<AnytimePoint>;

/// A named metric of the curve; undefined for an empty curve.
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
