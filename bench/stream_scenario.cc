#include "bench/stream_scenario.h"

#include <fmt/format.h>

#include "bench/patterns.h"
#include "bench/turns.h"
#include "patina/config/recipe_file.h"
#include "patina/kernels/isa.h"
#include "patina/run/evaluation.h"
#include "patina/run/run.h"
#include "patina/session/engine.h"

namespace patina::bench {

namespace {

constexpr int64_t kTasks = 10;

/// Runs the stream, including all evaluations; returns the final accuracy.
double accuracy_of(Recipe& recipe, const DataSplits& data, Backbone& backbone,
                   const std::shared_ptr<ImageCache>& images) {
  const auto scenario = make_scenario(recipe.scenario, data);
  RigOptions options = rig_options(recipe, scenario.grant());
  options.images = images;
  Rig rig(backbone, *data.train, *data.test, options);
  Evaluation evaluation(scenario);
  evaluation.measure(rig.learner(), rig.trainer(), 0);
  auto stream = scenario.stream();
  while (const auto task = stream.next()) {
    rig.trainer().learn(rig.learner(), *task, scenario.grant());
    evaluation.measure(rig.learner(), rig.trainer(), task->index + 1);
  }
  return evaluation.accuracy_after(scenario.tasks()).value_or(0);
}

// With AMX a pass is much faster; otherwise caching is what matters.
std::optional<double> simplecil_bar(const std::string& learner) {
  if (learner != "simplecil") return std::nullopt;
  return kernels::isa() == kernels::Isa::amx ? 15 : 2.5;
}

Recipe recipe_of(const std::string& learner, int64_t classes, bool quick) {
  std::vector<std::string> settings = {
      "learner.name=" + learner, fmt::format("scenario.classes_per_task={}", classes / kTasks)};
  if (learner == "ranpac")
    settings.push_back(quick ? "learner.projection=200" : "learner.projection=2000");
  Recipe recipe;
  auto file = RecipeFile::parse("", "the scenario's recipe", settings);
  file.bind(recipe);
  return recipe;
}

}  // namespace

void measure_stream(const std::string& learner, bool quick, const Take& take) {
  const int64_t classes = quick ? 10 : 100, train = quick ? 4 : 20, test = quick ? 2 : 8;
  Recipe recipe = recipe_of(learner, classes, quick);
  const DataSplits data = pattern_data(classes, train, test);
  const auto backbone = load_backbone({.name = "starter"});
  double plain_accuracy = 0, our_accuracy = 0;
  const auto plain = [&] {
    backbone->set_engine(nn::plain_engine());
    backbone->set_cache(nullptr);
    plain_accuracy = accuracy_of(recipe, data, *backbone, std::make_shared<ImageCache>(0));
  };
  const auto ours = [&] {  // packs its weights and fills its store every time
    backbone->set_engine(make_engine({}));
    backbone->set_cache(std::make_shared<FeatureStore>(FeatureStoreOptions{.cache_disk_bytes = 0}));
    our_accuracy = accuracy_of(recipe, data, *backbone,
                               std::make_shared<ImageCache>(recipe.engine.image_cache_bytes));
  };
  const auto times = times_in_turn(
      quick ? kOnce : Pace{.rounds = 3, .most_seconds = 80, .warm_up = false}, {plain, ours});
  take({fmt::format("the starter ViT, {} classes, {} training and {} test images each", classes,
                    train, test),
        {{"plain loop", times[0], "s"},
         {"patina", times[1], "s"},
         {"accuracy of the plain loop", plain_accuracy, ""},
         {"accuracy of patina", our_accuracy, ""}},
        {{"patina against the plain loop", times[0] / times[1], simplecil_bar(learner)}}});
}

}  // namespace patina::bench
