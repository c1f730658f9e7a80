// Sweep: several recipes, each with one or several values of options and seeds, run one after
// another or in parallel. Completed runs are not repeated when it is called again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/run/run.h"

namespace patina {

struct SweepPlan {
  std::vector<fs::path> recipes;
  /// For every recipe, as --set. A list of values, learner.projection=[500,1000], is one run for
  /// each of them, and several lists are one for each combination (see grid.h).
  std::vector<std::string> overrides;
  /// Distinct; empty: one run with the recipe's own seeds. Otherwise each of them takes the place
  /// of every seed of the recipe: of `seed` and all keys that end in `_seed`. A recipe's number is
  /// one draw among others; what is pinned is a seed of -1, which asks for no draw of its own, and
  /// what `overrides` set.
  std::vector<int64_t> seeds;
  fs::path
      out;  // runs are in out/<name>, with out/<name>/<values> of lists, and seed_<seed> in there
};

/// One run of a plan, in its order.
struct PlannedRun {
  std::string name;  // the recipe's, followed by the values of lists
  fs::path folder;
  Recipe recipe;
  fs::path file;                       // the recipe's file
  std::vector<std::string> overrides;  // with these overrides
};

/// Reads all recipes before any run. Throws Error(recipe) for a faulty one, or two with the same
/// name; Error(usage) for a seed that is given twice.
std::vector<PlannedRun> planned(const SweepPlan& plan);

/// Throws Error for everything that would stop one of the runs before its first step, as `patina
/// check` tells it of one recipe: each mistake once, with the runs that have it. Runs that have
/// begun are left out, and of those that differ in seeds the first is tried.
void check_planned(const std::vector<PlannedRun>& runs);

/// Overrides that put `seed` in the place of every seed of the recipe, as SweepPlan says, followed
/// by `overrides`, which win.
std::vector<std::string> with_seed(const fs::path& recipe,
                                   const std::vector<std::string>& overrides, int64_t seed);
/// The folder of a run with one of several seeds, inside the folder of them all: "seed_1993".
std::string seed_folder(int64_t seed);
/// Throws Error(usage) if a seed is given twice.
void check_seeds(const std::vector<int64_t>& seeds);

struct SweptRun {
  std::string name;
  fs::path folder;
  std::string failure;  // the error message; empty: the run is complete
  bool kept = false;    // was complete before
};

/// Calls `run` for each run that is not complete, `jobs` at a time (in threads, if more than one).
/// A run that fails with an Error does not stop the others, and the next call tries it again. A
/// folder that contains a run of another recipe counts as such a failure and is not changed. After
/// an Error(stopped) no further run starts, and the error is rethrown.
std::vector<SweptRun> sweep(std::vector<PlannedRun> runs, int jobs,
                            const std::function<void(PlannedRun&)>& run);

}  // namespace patina
