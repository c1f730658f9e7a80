// Scenarios: what `patina bench` measures. Each computes the same thing in patina's way and in
// plain ways, alternating in one process, so that results are ratios and the machine's noise
// affects all ways.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace patina::bench {

/// The time of one way: a median.
struct Value {
  std::string name;
  double value = 0;
  std::string unit;  // "s", "bytes", "images/s"
};

/// The ratio of two ways, and the bar it must reach.
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
