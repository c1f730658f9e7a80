// Sweep: several recipes, each with one or several seeds, one after another or some at once. What a
// sweep has done is not done again: called once more, it goes on where it was.
#pragma once

#include <functional>
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
  fs::path file;                       // that the recipe was read from,
  std::vector<std::string> overrides;  // with these
};

/// Reads every recipe before any runs. Throws Error(recipe) for a bad one, and for two of one name.
std::vector<PlannedRun> planned(const SweepPlan& plan);

struct SweptRun {
  std::string name;
  fs::path folder;
  std::string failure;  // what went wrong; empty: the run is complete
  bool kept = false;    // it was complete before
};

/// Calls `run` for what is not complete yet, for `jobs` at a time, each in a thread of its own
/// where that is more than one. A run that fails, by an Error, does not keep the others from
/// theirs, and is tried again next time; so is one whose folder holds a run of another recipe,
/// which stays. After an Error(stopped) none begins, and it is rethrown.
std::vector<SweptRun> sweep(std::vector<PlannedRun> runs, int jobs,
                            const std::function<void(PlannedRun&)>& run);

}  // namespace patina
