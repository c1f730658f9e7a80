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

/// "86.4" of one run, "86.4 ± 0.3" of several; "-" for nothing. An accuracy is in percent, a score
/// of texts in its own unit; `run` is one of those whose scores they are.
std::string text_of(const std::optional<Spread>& spread, const Record& run);

/// Of the defined ones; nothing where there are none.
std::optional<Spread> spread(const std::vector<Score>& scores);

/// Complete runs that differ in seeds only: of one name, one recipe and one split.
struct SeedGroup {
  std::string name;                    // the recipe's
  std::vector<const RunRecord*> runs;  // lent

  std::vector<Score> scores(const char* metric) const;
  std::string text(const char* metric) const;  // of the spread
  std::optional<Spread> seconds() const;
};

/// In the order of first appearance.
std::vector<SeedGroup> seed_groups(const std::vector<RunRecord>& runs);
/// Whether a group has several runs.
bool over_seeds(const std::vector<SeedGroup>& groups);

/// The groups and their metrics' spreads.
Json summary(const std::vector<RunRecord>& runs);
/// The same as a table: last and average incremental accuracy, forgetting, mean time.
std::string summary_text(const std::vector<RunRecord>& runs);

}  // namespace patina
