// Scenarios: what `patina bench` measures. Each does one thing in patina's way and in plain ways,
// in turn and in one process, so that what is compared is a ratio and the machine's noise meets
// all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace patina::bench {

/// What one way took: a median.
struct Value {
  std::string name;
  double value = 0;
  std::string unit;  // "s", "bytes", "images/s"
};

/// How two ways compare, and what is demanded of it.
struct Ratio {
  std::string name;
  double value = 0;
  std::optional<double> bar = std::nullopt;
  bool at_most = false;  // the bar is the most, not the least

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
  /// Hands over each size as soon as it is measured. `quick`: a size that shows that everything
  /// runs; its ratios mean nothing.
  std::function<void(bool quick, const Take& take)> run;
};

const std::vector<Scenario>& scenarios();

}  // namespace patina::bench
