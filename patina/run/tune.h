// Choosing hyper-parameters: each combination of candidate values is a run that is evaluated on a
// validation split, held out of the training samples. The best one becomes a recipe, which is then
// run on all training samples and tested.
#pragma once

#include <string>
#include <vector>

#include "patina/eval/matrix.h"
#include "patina/run/grid.h"
#include "patina/run/sweep.h"

namespace patina {

struct TunePlan {
  fs::path recipe;
  std::vector<std::string> candidates;  // "training.lr=0.01,0.1": a key with its values
  std::vector<std::string> overrides;   // for every run, as --set
  std::vector<int64_t> seeds;           // as in SweepPlan; scores are means over them
  std::string by = "average_incremental_accuracy";
  double validation_percent = 0;  // 0: the recipe's own, or kValidationPercent if that is 0
  int64_t random = 0;             // so many combinations drawn of the grid; 0: all
  fs::path out;
};

/// The part of the training samples that is held out where neither plan nor recipe says it.
constexpr double kValidationPercent = 10;

/// A combination of values. Its runs are out/validation/<values>, or seed_<seed> in there.
struct Trial {
  std::vector<std::string> values;  // "training.lr=0.1", in the order of the plan's keys
  std::vector<fs::path> folders;    // one a seed
  std::vector<std::string> recipes;
};

class Tuning {
 public:
  /// Reads the recipe with every combination; nothing is run or written. Throws Error: with every
  /// mistake in keys and values; for a value that is there twice, a key that may not be tuned, too
  /// many combinations; for a metric that does not exist or cannot be measured on this stream; and
  /// if out/final has a run whose values were chosen of other candidates.
  explicit Tuning(TunePlan plan);

  const std::vector<Trial>& trials() const { return trials_; }
  double validation_percent() const { return validation_percent_; }
  /// The runs of all trials, in order.
  std::vector<PlannedRun> validation_runs() const;

  /// The mean of the plan's metric over a trial's runs, from their records; undefined if it is for
  /// one of them, or if a run is not complete.
  Score score(const Trial& trial) const;
  /// The index of the best of all trials' scores; the first of equal ones. Throws Error(state) if
  /// all are undefined.
  size_t best(const std::vector<Score>& scores) const;

  /// Writes the chosen trial as a recipe over the tuned one, out/chosen.toml, and returns its path.
  fs::path write_recipe(const Trial& trial, double score) const;
  /// The runs of that recipe, one a seed, on all training samples and with the test split:
  /// out/final, or seed_<seed> in there.
  std::vector<PlannedRun> final_runs() const;

 private:
  struct Seeded {
    fs::path folder;
    std::vector<std::string> overrides;
  };

  void read_keys();
  void check_metric(const Recipe& recipe);
  void check_final_runs() const;
  std::vector<std::vector<std::string>> combinations(int64_t seed) const;
  Trial read_trial(const std::vector<std::string>& values) const;
  void read_trials(const std::vector<std::vector<std::string>>& combinations);
  std::vector<fs::path> folders(const fs::path& folder) const;
  std::vector<Seeded> seeded(const fs::path& recipe, const fs::path& folder,
                             const std::vector<std::string>& overrides) const;
  std::vector<Seeded> seeded(const std::vector<std::string>& values) const;
  fs::path chosen_recipe() const { return plan_.out / "chosen.toml"; }

  TunePlan plan_;
  std::vector<GridKey> keys_;
  std::vector<Trial> trials_;
  double validation_percent_ = 0;
  bool holds_out_itself_ = false;  // the recipe has a validation split of its own
  bool lower_is_better_ = false;
};

}  // namespace patina
