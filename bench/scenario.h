// Scenarios: what `patina bench` measures. Each measures the same computation in patina and in
// plain implementations. They alternate in one process, so that noise of the machine affects all of
// them; results are ratios.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace patina::bench {

/// A measurement of one implementation: a median.
struct Value {
  std::string name;
  double value = 0;
  std::string unit;  // "s", "bytes", "images/s"
};

/// The ratio of two implementations, and the bar that it must reach.
struct Ratio {
  std::string name;
  double value = 0;
  std::optional<double> bar = std::nullopt;
  bool at_most = false;  // the bar is an upper bound

  bool met() const { return !bar || (at_most ? value <= *bar : value >= *bar); }
};

/// One size of a scenario.
struct Case {
  std::string name;
  std::vector<Value> values;
  std::vector<Ratio> ratios;
};

using Take = std::function<void(Case)>;

struct Scenario {
  std::string name;
  std::string about;
  /// Reports each size as soon as it is measured. `quick`: a small size that only shows that
  /// everything runs; its ratios are meaningless.
  std::function<void(bool quick, const Take& take)> run;
};

const std::vector<Scenario>& scenarios();

}  // namespace patina::bench
