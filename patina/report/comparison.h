// What runs are judged by, side by side: the columns that the page and the terminal's table share.
#pragma once

#include <string>
#include <vector>

#include "patina/report/record.h"

namespace patina {

struct ComparisonColumn {
  std::string title;  // "Last accuracy"
  std::string brief;  // "last acc", for a terminal
  std::string about;  // one sentence
  bool higher_is_better;
  Score (*value)(const RunRecord&);
  std::string (*text)(double);
};

const std::vector<ComparisonColumn>& comparison_columns();

struct ComparisonCell {
  std::string text;   // "86.4%", or "-" where undefined
  bool best = false;  // no complete run of this comparison is better, and one is worse
};

/// A row per run, a cell per column. No cell is best unless the runs share data, scenario and
/// tasks.
std::vector<std::vector<ComparisonCell>> compare(const std::vector<RunRecord>& runs);

/// Whether the runs share data, split, scenario, tasks and their metrics.
bool comparable(const std::vector<RunRecord>& runs);

/// Sentences that a reader of the comparison must know: runs on different data, interrupted runs.
std::vector<std::string> cautions(const std::vector<RunRecord>& runs);

/// The split that the runs were evaluated on: "test" or "validation"; "evaluated" where it differs.
std::string evaluated_split(const std::vector<RunRecord>& runs);

/// "86.4" of 0.8637: the number of a percentage, never "-0.0"; "-" where undefined.
std::string percent(Score score, int decimals = 1);
/// "0.864" of 0.8637; "-" where undefined.
std::string number(Score score);

}  // namespace patina
