// Run: a recipe from start to end. A run is a folder: recipe.toml, record.json,
// checkpoint.safetensors, predictions.safetensors and, once it is complete, model.patina. It can be
// stopped between any two steps and continues with the same bits.
#pragma once

#include <functional>

#include "patina/base/json_fwd.h"
#include "patina/run/recipe.h"

namespace patina {

enum class RunMode {
  fresh,      // the folder must not hold a run
  overwrite,  // a run that is there is deleted first
  resume,     // continue; a folder without a checkpoint starts from the beginning
};

struct RunControl {
  RunMode mode = RunMode::fresh;
  /// Asked after every step and task; true: make a checkpoint, then throw Error(stopped).
  std::function<bool()> should_stop;
  /// Asked between the batches of closed forms and evaluations, too. What is stopped there is done
  /// again from the last checkpoint on.
  bool stop_between_batches = false;
  int data_threads = 0;  // that decode and transform; 0: one per core. Changes no result.
  /// Whether frozen features are kept, in memory and in the folder that `[engine]` names, and
  /// decoded images, in memory. Changes no result.
  bool cache = false;
};

/// Runs the recipe in `folder` and returns its record, which is also written after every task.
/// Throws Error; nothing learned up to the last checkpoint is lost.
Json run(Recipe& recipe, const fs::path& folder, const RunControl& control = {});

/// The same on data and a backbone that are at hand; what the recipe says of them is only recorded.
/// The learner may change the backbone's weights.
Json run(Recipe& recipe, const DataSplits& data, Backbone& backbone, const fs::path& folder,
         const RunControl& control = {});

}  // namespace patina
