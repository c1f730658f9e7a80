// A recipe: the complete description of a run.
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
#include "patina/session/probes.h"

namespace patina {

struct RigOptions;

/// `[run]`: how often checkpoints are written, and what the folder and the artefact hold.
struct CheckpointOptions {
  double checkpoint_minutes = 10;  // in addition to the end of every task; 0: only then
  bool keep_samples = true;        // those that the learner keeps, in the artefact
  bool tensorboard = false;        // events in the run's folder

  void bind(Fields& f);
};

/// `[evaluation]`: when a run evaluates, besides the end of every task.
struct EvaluationOptions : ProbeOptions {
  int64_t every = 1000;  // samples of a single-pass stream; 0: only at its end
  int64_t drift_tokens = 256;
  std::string general_text;  // a file; "": patina's own

  void bind(Fields& f);
};

/// `[chosen]`: which of the recipe's values `patina tune` chose, and on what. Written by it.
struct ChosenValues {
  std::vector<std::string> values;      // "training.lr=0.1"; empty: none was chosen so
  std::vector<std::string> candidates;  // "training.lr=0.01,0.1,1": what each was chosen of
  int64_t combinations = 0;             // tried
  std::string by;                       // the metric
  double score = 0;                     // of the chosen ones, on the validation split
  double validation_percent = 0;

  void bind(Fields& f);
};

struct Recipe {
  std::string name;  // "": the learner's name
  int64_t seed = 1993;
  ModelOptions model;
  DataOptions data;
  TransformOptions train_transform, test_transform;  // for images
  TextOptions text;                                  // for texts
  ScenarioOptions scenario;
  LearnerSection learner;
  TrainingOptions training;  // defaults are the learner's
  EvaluationOptions evaluation;
  CheckpointOptions run;
  EngineOptions engine;
  ChosenValues chosen;

  void bind(Fields& f);

 private:
  std::string training_of_;  // the learner whose training options are in `training`
};

/// Reads a recipe, applies the `--set` overrides, and checks it; the name defaults to the
/// learner's. A recipe that no longer has the values of its `[chosen]` loses that section, with a
/// warning. Throws Error(recipe) with all mistakes.
Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides);

/// The recipe's network. Random weights are drawn with the model's seed, or else with the recipe's.
std::unique_ptr<Backbone> backbone_of(const Recipe& recipe);

/// The stream of a recipe. Throws Error(scenario), with what is missing, if the scenario does not
/// grant what the learner needs.
Scenario granted_scenario(const Recipe& recipe, const DataSplits& data);

/// What the recipe's learner is trained with on a stream that grants `grant`. The recipe is lent.
RigOptions rig_options(const Recipe& recipe, const Grant& grant);

}  // namespace patina
