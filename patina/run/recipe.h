// A recipe: everything that describes a run.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "patina/data/catalog.h"
#include "patina/data/feed.h"
#include "patina/models/catalog.h"
#include "patina/scenario/scenario.h"
#include "patina/session/engine.h"
#include "patina/session/learner_section.h"

namespace patina {

/// `[run]`: how often a run makes itself safe.
struct CheckpointOptions {
  double checkpoint_minutes = 10;  // besides the end of every task; 0: only then

  void bind(Fields& f);
};

/// `[evaluation]`: when a run looks at what was learned, besides the end of every task.
struct EvaluationOptions {
  int64_t every = 1000;  // samples of a stream that comes once; 0: only at its end

  void bind(Fields& f);
};

struct Recipe {
  std::string name;  // "": the learner's
  int64_t seed = 1993;
  ModelOptions model;
  DataOptions data;
  TransformOptions train_transform, test_transform;  // where the data are images
  TextOptions text;                                  // where they are texts
  ScenarioOptions scenario;
  LearnerSection learner;
  TrainingOptions training;  // starts from the learner's own
  EvaluationOptions evaluation;
  CheckpointOptions run;
  EngineOptions engine;

  void bind(Fields& f);

 private:
  std::string training_of_;  // the learner whose training values are in `training`
};

/// The recipe in a file with `--set` overrides laid over it, checked; its name is the learner's
/// where it has none. Throws Error(recipe) with every mistake.
Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides);

}  // namespace patina
