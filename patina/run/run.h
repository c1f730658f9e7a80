// Executes a recipe. A run is a folder with recipe.toml, record.json, checkpoint.safetensors,
// predictions.safetensors and, once complete, model.patina; while it goes, also progress.json. It
// can be stopped between any two steps and resumed with bit-identical results.
#pragma once

#include <functional>

#include "patina/base/json_fwd.h"
#include "patina/run/recipe.h"
#include "patina/session/rig.h"

namespace patina {

class Workers;

enum class RunMode {
  fresh,      // the folder must not contain a run
  overwrite,  // deletes an existing run first
  resume,     // continues a run; without a checkpoint it starts from the beginning
};

struct RunControl {
  RunMode mode = RunMode::fresh;
  /// Called after every step and task; true: writes a checkpoint and throws Error(stopped).
  std::function<bool()> should_stop;
  /// Whether should_stop is also called between the batches of closed forms and evaluations. Work
  /// that is stopped there is repeated from the last checkpoint.
  bool stop_between_batches = false;
  int data_threads = 0;  // for decoding and transforms; 0: one per core. Does not change results.
  /// Whether to cache frozen features, in memory and in the folder set in `[engine]`, and decoded
  /// images in memory. Does not change results.
  bool cache = false;
  /// The processes that do this run together, each of which calls `run` with the same arguments;
  /// only the first one writes into the folder. Lent; null: this process alone. Does not change
  /// results.
  Workers* workers = nullptr;
};

/// Runs the recipe in `folder` and returns its record, which is also written after every task.
/// Throws Error; the last checkpoint is kept.
Json run(Recipe& recipe, const fs::path& folder, const RunControl& control = {});

/// The same with the given data and backbone; the recipe's entries for them are only recorded. The
/// learner may change the backbone's weights.
Json run(Recipe& recipe, const DataSplits& data, Backbone& backbone, const fs::path& folder,
         const RunControl& control = {});

}  // namespace patina
