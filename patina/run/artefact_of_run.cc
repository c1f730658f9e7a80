#include "patina/run/artefact_of_run.h"

#include "patina/config/recipe_file.h"

namespace patina {

namespace {

// The part of a run's recipe that is stored in its artefact.
std::shared_ptr<SessionRecipe> session_recipe(Recipe& run) {
  auto recipe = completed(std::make_shared<SessionRecipe>(), "", {}, "the run's recipe");
  recipe->learner.name = run.learner.name;
  auto options = RecipeFile::parse(to_toml(run.learner), "the run's learner");
  options.bind(recipe->learner);
  (void)to_toml(*recipe);  // binding sets the learner's default training options; the run's
                           // replace them below
  recipe->seed = run.seed;
  recipe->training = run.training;
  recipe->train_transform = run.train_transform;
  recipe->test_transform = run.test_transform;
  recipe->text = run.text;
  return recipe;
}

}  // namespace

Artefact artefact_of_run(Recipe& recipe, const Scenario& scenario, const Source& train,
                         const Backbone& backbone, const std::string& hash) {
  const auto session = session_recipe(recipe);
  Artefact artefact{.grant = scenario.grant(),
                    .classes = scenario.classes(),
                    .tasks = scenario.tasks(),
                    .samples = train.size(),
                    .backbone = backbone.about(),
                    .hash = hash,
                    .is_text = train.is_text(),
                    .has_images = train.has_images(),
                    .answers = train.answer_kind()};
  artefact.in_memory = !take_origin(session->model, backbone);
  artefact.recipe = to_toml(*session);
  for (int task = 0; task < scenario.tasks(); ++task)
    artefact.task_names.push_back(scenario.task_name(task));
  if (artefact.answers != AnswerKind::label) {  // the one class stands for having none
    artefact.classes.clear();
    return artefact;
  }
  const auto classes = int64_t(artefact.classes.size());
  const int64_t columns = scenario.seen_after(scenario.tasks());
  for (int64_t c = 0; c < columns; ++c) artefact.class_of_column.push_back(c % classes);
  artefact.task_of_class.resize(size_t(classes));
  for (int task = scenario.tasks() - 1; task >= 0; --task)
    for (const int64_t c : scenario.fresh_classes(task))
      artefact.task_of_class[size_t(c % classes)] = task;
  return artefact;
}

}  // namespace patina
