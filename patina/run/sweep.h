// Sweep: several recipes, each with one or several seeds, one after another. What a sweep has done
// is not done again: called once more, it goes on where it was.
#pragma once

#include <string>
#include <vector>

#include "patina/run/run.h"

namespace patina {

struct SweepPlan {
  std::vector<fs::path> recipes;
  std::vector<std::string> overrides;  // of every recipe, as --set
  std::vector<int64_t> seeds;  // of runs and class orders; empty: one run with the recipe's own
  fs::path out;                // a run is in out/<name>, with seeds in out/<name>/seed_<seed>
};

/// One run of a plan, in its order.
struct PlannedRun {
  std::string name;  // the recipe's
  fs::path folder;
  Recipe recipe;
};

/// Reads every recipe before any runs. Throws Error(recipe) for a bad one, and for two of one name.
std::vector<PlannedRun> planned(const SweepPlan& plan);

struct SweptRun {
  std::string name;
  fs::path folder;
  std::string failure;  // what went wrong; empty: the run is complete
  bool kept = false;    // it was complete before
};

/// Runs what is not complete yet. A run that fails does not keep the others from theirs, and is
/// tried again next time; so is one whose folder holds a run of another recipe, which stays.
/// Throws Error(stopped) when asked to stop.
std::vector<SweptRun> sweep(std::vector<PlannedRun> runs, const RunControl& control);

}  // namespace patina
