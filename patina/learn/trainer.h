// Trainer: the services a learner uses while it learns a task: epochs of gradient steps, features,
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
class Workers;
struct Step;

/// How a task is trained: `[training]` in a recipe.
struct TrainingOptions {
  int64_t epochs = 20;
  int64_t batch_size = 128;
  int64_t updates_per_batch = 1;  // in a single-pass scenario
  int64_t accumulate = 1;         // parts of a batch, each with a pass of its own
  int64_t shards = 1;             // parts of a batch that workers share
  bool fast = false;              // their gradients are added in the order that is fastest
  bool pack = false;              // several texts in a row
  OptimizerOptions optimizer;
  void bind(Fields& f);
};

class Trainer {
 public:
  /// `between_steps` is called after every batch, when the learner's state is consistent. `workers`
  /// (lent) share the shards of steps and the batches of `features` and `each_row`; null: there is
  /// this process alone.
  Trainer(TrainingOptions options, const Feed& train, const Feed& test, ThreadPool& pool,
          Seeds seeds, std::function<void()> between_steps = {}, Workers* workers = nullptr);
  ~Trainer();

  const TrainingOptions& options() const { return options_; }
  const Seeds& seeds() const { return seeds_; }

  /// Announces a task to a learner, unless that was done; `learn` begins with it.
  void begin(Learner& learner, const Task& task, const Grant& grant);
  /// Trains a learner on one task as the scenario allows, continuing from a restored state.
  void learn(Learner& learner, const Task& task, const Grant& grant);
  /// Whether a task has begun and not ended.
  bool in_task() const { return in_task_; }
  /// The largest number of parameters that an optimizer has trained at once.
  int64_t most_trainable() const { return most_trainable_; }

  /// Minimises learner.loss for the configured number of epochs, continuing from a restored state.
  void epochs(Learner& learner, const Task& task) { epochs(learner, task, options_.epochs); }
  /// The same for another number of epochs. A fit that calls this several times must save which
  /// call it is in; each call has its own order and augmentations, and the first alone remembers.
  void epochs(Learner& learner, const Task& task, int64_t epochs);

  /// The configured number of epochs with one optimizer for the whole stream: its moments survive
  /// the tasks. A learner calls either this or `epochs`.
  void epochs_of_stream(Learner& learner, const Task& task);

  /// One gradient step on a single-pass batch, for use in `observe`. The optimizer and its moments
  /// persist for the whole stream, and grow with the learner's parameters; the rate is lr times
  /// `rate_factor`. Returns the loss.
  double descend(Learner& learner, const Batch& batch, double rate_factor = 1);
  /// Single-pass streams: samples observed so far, and classes among them.
  int64_t observed() const { return observed_; }
  int64_t met() const { return met_; }
  /// Minimises learner.loss on the given samples with an optimizer of its own, for training before
  /// evaluation. If a run is stopped or killed meanwhile, this training is repeated.
  void train_on(Learner& learner, const Dataset& data, int64_t epochs, const Seeds& seeds);

  /// Features of every sample with the test transform, in the dataset's order, without a graph.
  /// Samples in the backbone's cache are neither loaded nor decoded.
  FeatureSet features(const Backbone& backbone, const Dataset& data,
                      const nn::Adaptations& adaptations = {});

  /// What `body` makes of every sample: a row each, on the host, in the dataset's order. It gets
  /// batches with the test transform and builds no graph. Undefined for a dataset without samples.
  Tensor each_row(const Dataset& data, const std::string& label,
                  const std::function<Tensor(const Batch&)>& body);

  /// Calls `body` for every batch of `data` with the test transform, without a graph. Texts are
  /// sorted by length: Batch::row holds the position of each sample in `data`.
  void each_batch(const Dataset& data, const std::string& label,
                  const std::function<void(const Batch&)>& body);

  /// Saves or loads position and optimizer while a task is being trained.
  void state(Archive& a);

 private:
  // Batch size of the test feed.
  static constexpr int64_t kBatch = 128;
  void each_batch(const Dataset& data, std::vector<int64_t> order, const std::string& label,
                  const std::function<void(const Batch&)>& body);
  std::vector<int64_t> recall(const Backbone& backbone, const Dataset& data,
                              const std::vector<int64_t>& order, const nn::Adaptations& adaptations,
                              Tensor& features);
  void share(Loader& loader, const Learner& learner) const;
  Tensor loss_of(Learner& learner, const std::vector<Batch>& parts, Step step);
  double sharded_gradient(Learner& learner, const std::vector<Batch>& parts, Step step);

  TrainingOptions options_;
  const Feed& train_;
  const Feed& test_;
  ThreadPool& pool_;
  Seeds seeds_;
  std::function<void()> between_steps_;
  Workers* workers_;  // null where they share nothing: inside a part of a step

  // One single-pass stretch of the stream. `told`: the new classes are known in advance.
  void pass(Learner& learner, const Task& task, bool told);
  std::vector<ParamGroup> groups_of(Learner& learner);
  void start_optimizer(Learner& learner);  // with the restored state, if any
  void run_epochs(Learner& learner, const Task& task, int64_t epochs);
  Seeds seeds_of_training(const Task& task);
  // `where` locates a loss that is not finite: "of task 1 in epoch 2".
  double descend(Learner& learner, const Batch& batch, Step step,
                 const std::function<std::string()>& where);
  struct Epochs;  // state shared by several epochs on the same samples
  // Trains one epoch from a step on; `after_batch` is called after each batch.
  void epoch(Learner& learner, Epochs& shared, int64_t epoch, int64_t from_step,
             const std::function<void(const Batch&)>& after_batch);

  bool in_task_ = false;
  int64_t most_trainable_ = 0;
  int64_t trained_task_ = -1;       // the last that was trained in epochs
  int64_t trainings_ = 0;           // complete ones of that task: calls of epochs()
  int64_t epoch_ = 0, step_ = 0;    // steps done within the epoch or the stretch
  int64_t descents_ = 0;            // gradient steps of the whole run
  int64_t observed_ = 0, met_ = 0;  // samples and classes of a single-pass stream
  std::vector<Tensor> restored_;    // optimizer state, until its tensors exist
  // Exists during epochs(), or for a whole stream: a single-pass one, or after epochs_of_stream().
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace patina
