// Trainer: what a learner may ask for while it learns a task: epochs of gradient steps, features,
// random numbers. It owns the optimizer and the position inside a task, so that a run can be
// stopped between any two steps.
#pragma once

#include <functional>
#include <string>

#include "patina/algebra/prototypes.h"
#include "patina/data/dataset.h"
#include "patina/models/backbone.h"
#include "patina/optim/optimizer.h"
#include "patina/scenario/scenario.h"

namespace patina {

class Learner;
struct Step;

/// How a task is trained: `[training]` in a recipe.
struct TrainingOptions {
  int64_t epochs = 20;
  int64_t batch_size = 128;
  int64_t updates_per_batch = 1;  // where samples come once
  OptimizerOptions optimizer;
  void bind(Fields& f);
};

class Trainer {
 public:
  /// `between_steps` is called after every batch, when the learner's state is whole.
  Trainer(TrainingOptions options, const Feed& train, const Feed& test, ThreadPool& pool,
          Seeds seeds, std::function<void()> between_steps = {});
  ~Trainer();

  const TrainingOptions& options() const { return options_; }
  const Seeds& seeds() const { return seeds_; }

  /// Lets a learner learn one task as the scenario allows it, from where a restored state stopped.
  void learn(Learner& learner, const Task& task, const Grant& grant);
  /// Whether a task is begun and not ended.
  bool in_task() const { return in_task_; }
  /// Most numbers that an optimizer has moved at a time.
  int64_t most_trainable() const { return most_trainable_; }

  /// Descends learner.loss for the epochs of the options, from where a restored state stopped.
  void epochs(Learner& learner, const Task& task) { epochs(learner, task, options_.epochs); }
  /// The same for another number of them. A fit of several such stretches keeps in its state which
  /// of them it is in.
  void epochs(Learner& learner, const Task& task, int64_t epochs);

  /// One step down learner.loss of a batch that comes once: for `observe`. The optimizer and its
  /// moments live from stretch to stretch, and grow with the learner's parameters; its rate stays
  /// at lr times `rate_factor`. Returns the loss.
  double descend(Learner& learner, const Batch& batch, double rate_factor = 1);
  /// Of a stream that comes once: samples observed so far, and classes met among them.
  int64_t observed() const { return observed_; }
  int64_t met() const { return met_; }
  /// Descends learner.loss on some samples for so many epochs with an optimizer of its own: for
  /// what a learner does before it is asked for scores. A run that is killed in it does it again.
  void train_on(Learner& learner, const Dataset& data, int64_t epochs, const Seeds& seeds);

  /// Features of every sample through the test feed, in the dataset's order, without a graph. What
  /// the backbone's cache knows is neither loaded nor decoded.
  FeatureSet features(const Backbone& backbone, const Dataset& data,
                      const nn::Adaptations& adaptations = {});

  /// Calls `body` on every batch of `data` through the test feed, without a graph. Texts come
  /// sorted by length: Batch::row tells which samples a batch holds.
  void each_batch(const Dataset& data, const std::string& label,
                  const std::function<void(const Batch&)>& body);

  /// Position and optimizer, while a task is being trained.
  void state(Archive& a);

 private:
  // Batches of the test feed hold so many samples.
  static constexpr int64_t kBatch = 128;
  void each_batch(const Dataset& data, std::vector<int64_t> order, const std::string& label,
                  const std::function<void(const Batch&)>& body);
  std::vector<int64_t> recall(const Backbone& backbone, const Dataset& data,
                              const nn::Adaptations& adaptations, Tensor& features);

  TrainingOptions options_;
  const Feed& train_;
  const Feed& test_;
  ThreadPool& pool_;
  Seeds seeds_;
  std::function<void()> between_steps_;

  // A stretch of a stream that comes once, in its order. `told`: of the fresh classes.
  void pass(Learner& learner, const Task& task, bool told);
  std::vector<ParamGroup> groups_of(Learner& learner);
  void start_optimizer(Learner& learner);  // with what a restored state knew
  // `where` tells a loss that is no number: "of task 1 in epoch 2".
  double descend(Learner& learner, const Batch& batch, Step step,
                 const std::function<std::string()>& where);
  struct Epochs;  // what several epochs on some samples share
  // The batches of one of them from a step on, each learned and then handed to `after_batch`.
  void epoch(Learner& learner, Epochs& shared, int64_t epoch, int64_t from_step,
             const std::function<void(const Batch&)>& after_batch);

  bool in_task_ = false;
  int64_t most_trainable_ = 0;
  int64_t epoch_ = 0, step_ = 0;          // steps done within the epoch, or the stretch
  int64_t descents_ = 0;                  // of the whole run
  int64_t observed_ = 0, met_ = 0;        // samples and classes of a stream that comes once
  std::vector<Tensor> restored_;          // an optimizer's state waiting for its tensors
  std::unique_ptr<Optimizer> optimizer_;  // alive while epochs() runs, or a stream that comes once
};

}  // namespace patina
