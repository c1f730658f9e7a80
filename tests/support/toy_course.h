// A learner on a stream of any scenario, one task at a time.
#pragma once

#include <map>

#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/toy_network.h"

namespace patina {

/// Three tasks of two classes, on an MLP, or on a tiny trained ViT where a method needs one.
struct ToyCourse {
  explicit ToyCourse(const std::string& name, const std::vector<std::string>& settings = {},
                     const std::string& kind = "task_incremental",
                     TrainingOptions training = {.epochs = 3, .batch_size = 8},
                     bool domains = false)
      : data(domains ? DataSplits{"toy", std::make_unique<ToyDomains>(6, 12, 1),
                                  std::make_unique<ToyDomains>(6, 4, 2)}
                     : toy_data(6, 12, 4)),
        network(find_learner(name)->network == Network::transformer ? toy_network(name, 6)
                                                                    : toy_mlp(ToySource::kSide)),
        scenario(make_scenario({.name = kind, .classes_per_task = 2}, data)),
        stream(scenario.stream()),
        options(bound_options(name, settings)),
        rig(*network, *data.train, *data.test,
            {.row = find_learner(name),
             .learner = options.get(),
             .training = with_rate(std::move(training)),
             .seeds = Seeds(5),
             .grant = scenario.grant(),
             .train_transform = {.size = 16, .normalize = "imagenet"},
             .test_transform = {.size = 16, .normalize = "imagenet"},
             .data_threads = 2}) {}
  static TrainingOptions with_rate(TrainingOptions training) {
    if (training.optimizer.optimizer == "sgd")
      training.optimizer = {.lr = 0.05, .momentum = 0, .schedule = "constant"};
    return training;
  }
  void learn() {
    task = *stream.next();
    rig.learn(*task);
  }
  Batch batch(const Dataset& part) {
    return *Loader(part, rig.test_feed(), rig.pool(), 1024).next();
  }
  /// Scores of `part`, the samples of one task. The learner is told the task if the scenario grants
  /// it.
  Tensor scores(const Dataset& part, int of_task) {
    Question asked = batch(part);
    if (scenario.grant().task_id_at_test) asked.task = at::full({asked.size()}, of_task, at::kLong);
    return learner->scores(asked);
  }
  Tensor scores(int of_task) { return scores(scenario.test(of_task), of_task); }
  std::map<std::string, Tensor> state() {
    Archive archive;
    learner->state(archive);
    return archive.tensors();
  }

  DataSplits data;
  std::unique_ptr<Backbone> network;
  Scenario scenario;
  Stream stream;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
  Trainer& trainer = rig.trainer();
  Learner* const learner = &rig.learner();
  std::optional<Task> task;
};

}  // namespace patina
