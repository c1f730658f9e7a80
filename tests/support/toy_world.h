// What a learner is tested on: a toy data set, and a network that was trained on such data.
#pragma once

#include "patina/config/recipe_file.h"
#include "patina/models/vision/resnet.h"
#include "patina/run/run.h"
#include "patina/session/rig.h"
#include "tests/support/toy_language.h"
#include "tests/support/toy_network.h"

namespace patina {

/// The learners that choose among classes, and those that answer with text.
inline std::vector<std::string> names_of_learners(bool generating) {
  std::vector<std::string> names;
  for (const auto& row : learners())
    if (row.generates == generating) names.push_back(row.name);
  return names;
}
inline std::vector<std::string> classifier_names() {
  return names_of_learners(false);
}
inline std::vector<std::string> generator_names() {
  return names_of_learners(true);
}

struct ToyWorld {
  static constexpr int64_t kClasses = 6, kTasks = 3;

  std::string name;
  bool text = false, asked = false;  // texts; images with questions
  std::function<std::unique_ptr<Backbone>(const std::string& learner)> network;

  DataSplits data(int64_t train_per_class = 12, int64_t test_per_class = 6) const {
    if (asked)
      return {"toy", std::make_unique<Asked<ToySource>>(kClasses, train_per_class, 1),
              std::make_unique<Asked<ToySource>>(kClasses, test_per_class, 2)};
    return text ? toy_texts(kClasses, train_per_class, test_per_class)
                : toy_data(kClasses, train_per_class, test_per_class);
  }
};

/// Images, and the network that the learner's row asks for.
inline const ToyWorld kImages{"images", false, false, [](const std::string& learner) {
                                return toy_network(learner, ToyWorld::kClasses);
                              }};

/// Texts, and a BERT, for learners that read nothing else.
inline const ToyWorld kTexts{"texts", true, false, kImages.network};

/// Questions about images, and two towers that read them.
inline const ToyWorld kAsked{"questions", false, true, kImages.network};

/// What a learner is tested on.
inline const ToyWorld& world_of(const std::string& learner) {
  if (learns_questions(learner)) return kAsked;
  return reads_texts(learner) ? kTexts : kImages;
}

/// Images on a residual network without transformer blocks.
inline const ToyWorld kResNet{
    "resnet18_thin", false, false, [](const std::string&) -> std::unique_ptr<Backbone> {
      static const auto trained = [] {
        auto network =
            std::make_unique<ResNet>(ResNetShape{.image_size = 16, .channels = 4}, "imagenet");
        Random random = Seeds(2)("weights");
        network->initialize(random);
        teach(*network, ToySource(ToyWorld::kClasses, 12, 3),
              ImageFeed({.size = 16, .normalize = "imagenet"}), 20);
        return network;
      }();
      return trained->clone();
    }};

/// Texts on a transformer that reads all tokens at once (BERT) or one after the other (GPT-2).
inline ToyWorld on_texts(const std::string& family) {
  return {family, true, false, [family](const std::string&) {
            static std::map<std::string, std::unique_ptr<Backbone>> trained;
            auto& network = trained[family];
            if (!network) network = toy_language(family, ToyTexts(ToyWorld::kClasses, 12, 3));
            return network->clone();
          }};
}

/// Three tasks of two classes in a few large steps instead of a paper's many small ones. `memory`:
/// the number of samples that a learner with a memory may keep; 0: its default. `settings`:
/// settings of the recipe, as on the command line.
inline Recipe toy_recipe(const std::string& learner, int64_t epochs, int64_t memory = 0,
                         std::vector<std::string> settings = {}) {
  const LearnerRow& row = *find_learner(learner);
  if (memory > 0 && row.keeps_samples) {
    const bool per_task =
        reference_text(*row.options()).find("memory_per_task") != std::string::npos;
    settings.push_back(
        fmt::format("learner.{}={}", per_task ? "memory_per_task" : "memory", memory));
  }
  const auto first = brief(learner);
  settings.insert(settings.begin(), first.begin(), first.end());
  auto file = RecipeFile::parse(fmt::format(R"(
seed = 7
[data]
name = "toy"
[model]
name = "toy"
[train_transform]
flip = true
random_crop_padding = 2
[scenario]
classes_per_task = {}
[learner]
name = "{}"
)",
                                            ToyWorld::kClasses / ToyWorld::kTasks, learner),
                                "toy.toml", settings);
  Recipe recipe;
  file.bind(recipe);
  if (row.needs.task_id_at_test) recipe.scenario.name = "task_incremental";
  recipe.training.epochs = epochs;
  recipe.training.batch_size = 8;
  recipe.training.optimizer.lr = 0.01;
  return recipe;
}

/// A learner and everything that is needed to train it step by step.
struct ToyDrive {
  /// `between_steps` is called after every step. `network` is lent.
  ToyDrive(const std::string& name, Recipe with, DataSplits on, Backbone& network,
           std::function<void()> between_steps = {})
      : row(*find_learner(name)),
        recipe(std::move(with)),
        data(std::move(on)),
        scenario(make_scenario(recipe.scenario, data, row.needs.past_data)),
        stream(scenario.stream()),
        rig(network, *data.train, *data.test,
            {.row = &row,
             .learner = recipe.learner.options.get(),
             .training = recipe.training,
             .seeds = Seeds(uint64_t(recipe.seed)),
             .grant = scenario.grant(),
             .train_transform = recipe.train_transform,
             .data_threads = 2,
             .between_steps = std::move(between_steps),
             .ungranted = true}) {}

  void learn(const Task& task) { rig.learn(task); }
  /// All test samples of a task.
  Batch test_batch(int task) {
    return *Loader(scenario.test(task), rig.test_feed(), rig.pool(), 1024).next();
  }
  /// The question for samples of a task, with the task if the scenario grants it at test time.
  Question question(const Batch& batch, int task) const {
    Question asked = batch;
    if (scenario.grant().task_id_at_test) asked.task = at::full({batch.size()}, task, at::kLong);
    return asked;
  }
  /// The best class of each sample, among those from `first` on; if the task is told, among its own
  /// classes.
  Tensor found(const Batch& batch, int task, int64_t first = 0) {
    NoGrad no_grad;
    const Tensor scores = learner->scores(question(batch, task));
    if (!scenario.grant().task_id_at_test) return scores.slice(1, first).argmax(1) + first;
    const Tensor own = tensor_of(scenario.task_classes(task));
    return own.index_select(0, scores.index_select(1, own).argmax(1));
  }

  const LearnerRow& row;
  Recipe recipe;
  DataSplits data;
  Scenario scenario;
  Stream stream;
  Rig rig;
  Trainer& trainer = rig.trainer();
  Learner* const learner = &rig.learner();
};

/// Checks which of a network's weights change. Only weights that required gradients at some time
/// may: a method may freeze what it has trained. A norm's running statistics follow its weight.
class FrozenWatch {
 public:
  explicit FrozenWatch(Backbone& network) : network_(network), before_(network.clone()) { note(); }
  /// To be called after every step.
  void note() {
    for (const auto& item : nn::tensors(network_))
      if (item.tensor.requires_grad()) trained_.insert(item.name);
  }
  /// Names of frozen weights whose bits changed or that were given a gradient.
  std::vector<std::string> broken() {
    note();
    std::vector<std::string> names;
    std::map<std::string, Tensor> before;
    for (const auto& item : nn::tensors(*before_)) before[item.name] = item.tensor;
    const auto now = nn::tensors(network_);
    for (size_t i = 0; i < now.size(); ++i) {
      std::string name = now[i].name;
      if (const size_t at = name.find("running_"); at != std::string::npos)
        name.replace(at, std::string::npos, "weight");
      if (trained_.count(name)) continue;
      if (!before.contains(now[i].name) || !at::equal(now[i].tensor, before[now[i].name]) ||
          now[i].tensor.grad().defined())
        names.push_back(now[i].name);
    }
    return names;
  }

 private:
  Backbone& network_;
  std::unique_ptr<Backbone> before_;
  std::set<std::string> trained_;
};

}  // namespace patina
