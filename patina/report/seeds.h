// Runs of one recipe with several seeds, as mean and deviation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "patina/report/record.h"

namespace patina {

struct Spread {
  int runs = 0;
  double mean = 0;
  double deviation = 0;  // divided by n-1; 0 for one run
};

/// "86.4" of one run, "86.4 ± 0.3" of several; "-" for nothing. In percent.
std::string percent_text(const std::optional<Spread>& spread);

/// Of the defined ones; nothing where there are none.
std::optional<Spread> spread(const std::vector<Score>& scores);

/// The complete runs of each name, and their metrics' spreads, in the order of first appearance.
Json summary(const std::vector<RunRecord>& runs);
/// The same as a table: last and average incremental accuracy, forgetting, mean time.
std::string summary_text(const std::vector<RunRecord>& runs);

}  // namespace patina
