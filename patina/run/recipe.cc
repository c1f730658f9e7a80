#include "patina/run/recipe.h"

#include <fmt/ranges.h>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/config/folder_name.h"
#include "patina/config/recipe_file.h"
#include "patina/session/artefact.h"
#include "patina/session/rig.h"

namespace patina {

void CheckpointOptions::bind(Fields& f) {
  f("checkpoint_minutes", checkpoint_minutes,
    "Minutes between checkpoints inside a task; one is always made when a task ends. 0: only then.",
    at_least(0));
  f("keep_samples", keep_samples,
    "Put the samples of earlier tasks that the learner keeps into model.patina, so that it learns "
    "further from there; false: the file holds no data.");
  f("tensorboard", tensorboard,
    "Write TensorBoard's event files into the run's folder while it runs: scores and costs after "
    "each task, the loss, the matrix as an image, the recipe.");
}

void Recipe::bind(Fields& f) {
  folder_name(f, "name", name, "The run's name, and its folder under runs/; empty: the learner's.");
  f("seed", seed,
    "Seed of everything random that has no seed of its own; `patina sweep --seeds` replaces it and "
    "those.",
    at_least(0));
  f.section("model", model, "The pre-trained backbone.");
  f.section("data", data, "The data set.");
  f.section("train_transform", train_transform, "From stored image to training input.");
  f.section("test_transform", test_transform, "From stored image to test input and features.");
  f.section("text", text, "From stored text to input; for data of texts only.");
  f.section("scenario", scenario, "How the data becomes a stream of tasks.");
  f.section("learner", learner, "The method and its options.");
  if (const LearnerRow* row = find_learner(learner.name); row && training_of_ != learner.name) {
    training = row->training;
    training_of_ = learner.name;
  }
  f.section("training", training, "How each task is trained, for learners that use gradients.");
  f.section("evaluation", evaluation, "When the learner is tested, besides the end of a task.");
  f.section("run", run, "Checkpoints, and what is written beside them.");
  f.section("engine", engine,
            "What is kept and used again: features of frozen networks, decoded images.");
  f.section("chosen", chosen,
            "Which values were chosen on a validation split, and how; written by patina tune.",
            !chosen.values.empty());
}

void EvaluationOptions::bind(Fields& f) {
  f("every", every,
    "Samples between two points of the anytime curve of a single-pass stream; 0: only at the end.",
    at_least(0));
  ProbeOptions::bind(f);
  f("drift_tokens", drift_tokens,
    "Tokens of held prompts on which the drift of a language model is measured.", at_least(1));
  f("general_text", general_text,
    "A text file on which a language model's loss is measured after each task; empty: a short one "
    "that comes with patina.");
}

void ChosenValues::bind(Fields& f) {
  f("values", values, "The values that were chosen, as key=value.");
  f("candidates", candidates, "The values that each was chosen of, as key=value,value.");
  f("combinations", combinations, "How many combinations of them were tried.", at_least(0));
  f("by", by, "The metric that was compared.");
  f("score", score, "Its value for the chosen combination, on the validation split.");
  f("validation_percent", validation_percent,
    "The part of each class's training samples that was the validation split.", between(0, 100));
}

namespace {

Recipe recipe_of(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  Recipe recipe;
  auto file = RecipeFile::read(path, overrides);
  file.bind(recipe);
  file.finish();
  if (recipe.data.name.empty()) fail(ErrorKind::recipe, "{}: data.name is missing", path.string());
  if (recipe.name.empty()) recipe.name = recipe.learner.name;
  if (!recipe.run.keep_samples) check_samples_left_out(recipe.learner.row());
  return recipe;
}

}  // namespace

Recipe read_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  Recipe recipe = recipe_of(path, overrides);
  if (recipe.chosen.values.empty()) return recipe;
  auto with_chosen = overrides;
  with_chosen.insert(with_chosen.end(), recipe.chosen.values.begin(), recipe.chosen.values.end());
  Recipe chosen = recipe_of(path, with_chosen);
  if (to_toml(chosen) == to_toml(recipe)) return recipe;
  warn(
      fmt::format("{}: it no longer has the values that [chosen] names ({}), so the run is "
                  "recorded without them",
                  path.string(), fmt::join(recipe.chosen.values, ", ")));
  recipe.chosen = {};
  return recipe;
}

std::unique_ptr<Backbone> backbone_of(const Recipe& recipe) {
  ModelOptions model = recipe.model;
  if (model.seed < 0) model.seed = recipe.seed;
  return load_backbone(model);
}

RigOptions rig_options(const Recipe& recipe, const Grant& grant) {
  return {.row = &recipe.learner.row(),
          .learner = recipe.learner.options.get(),
          .training = recipe.training,
          .seeds = Seeds(uint64_t(recipe.seed)),
          .grant = grant,
          .train_transform = recipe.train_transform,
          .test_transform = recipe.test_transform,
          .text = recipe.text};
}

Scenario granted_scenario(const Recipe& recipe, const DataSplits& data) {
  const LearnerRow& row = recipe.learner.row();
  Scenario scenario = make_scenario(recipe.scenario, data, row.needs.past_data);
  if (const auto lack = missing(row.needs, scenario.grant())) {
    const auto option = remedy(row.needs, scenario.name());
    fail(ErrorKind::scenario, "{} cannot run on {}: it needs {}{}", row.name, scenario.name(),
         *lack, option ? fmt::format("; with {} it has them", *option) : "");
  }
  return scenario;
}

}  // namespace patina
