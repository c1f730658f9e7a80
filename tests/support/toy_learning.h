// A learner on a toy stream with a tiny random ViT. A test makes each call and can inspect the
// learner between any two of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_source.h"

namespace patina {

/// Six classes of eight training and four test samples; tasks of two classes unless said otherwise.
struct ToyLearning {
  static constexpr int64_t kClasses = 6;

  /// `options`: the options of the method, as TOML.
  explicit ToyLearning(const std::string& name, const std::string& options = "",
                       TrainingOptions training = {.epochs = 2, .batch_size = 8},
                       const ScenarioOptions& tasks = {.classes_per_task = 2})
      : scenario(make_scenario(tasks, data)),
        own(bound_options(name, {}, options)),
        rig(*vit, *data.train, *data.test,
            {.row = find_learner(name),
             .learner = own.get(),
             .training = std::move(training),
             .seeds = seeds,
             .grant = scenario.grant(),
             .train_transform = {.size = 16, .normalize = "inception", .flip = true},
             .test_transform = {.size = 16, .normalize = "inception"},
             .data_threads = 2}),
        stream(scenario.stream()) {}

  void begin() {
    task = *stream.next();
    learner->begin_task(*task, trainer);
  }
  void fit() { learner->fit(*task, trainer); }
  void end() { learner->end_task(*task, trainer); }
  void learn() {
    begin();
    fit();
    end();
  }

  /// Copies of all tensors of the learner's state, by key.
  std::map<std::string, Tensor> state() {
    Archive archive;
    learner->state(archive);
    return archive.tensors();
  }
  /// Scores of every test sample of the tasks so far, in their order.
  Tensor scores() {
    std::vector<Tensor> rows;
    for (int t = 0; t <= task->index; ++t)
      trainer.each_batch(scenario.test(t), "scores",
                         [&](const Batch& batch) { rows.push_back(learner->scores(batch)); });
    return at::cat(rows);
  }
  /// Features of the same samples under the backbone in its current state.
  Tensor features(const nn::Adaptations& adaptations = {}) {
    std::vector<Tensor> rows;
    for (int t = 0; t <= task->index; ++t)
      rows.push_back(trainer.features(*vit, scenario.test(t), adaptations).features);
    return at::cat(rows);
  }

  DataSplits data = toy_data(kClasses, 8, 4);
  std::unique_ptr<ViT> vit = random_vit();
  Seeds seeds{5};
  Scenario scenario;
  std::unique_ptr<LearnerOptions> own;
  Rig rig;
  const Feed &train = rig.train_feed(), &test = rig.test_feed();
  ThreadPool& pool = rig.pool();
  Trainer& trainer = rig.trainer();
  Learner* const learner = &rig.learner();
  Stream stream;
  std::optional<Task> task;
};

}  // namespace patina
