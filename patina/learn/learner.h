// Learner: the interface every continual-learning method implements, and what it is made from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/learn/step.h"
#include "patina/learn/trainer.h"
#include "patina/models/backbone.h"
#include "patina/scenario/scenario.h"

namespace patina {

/// A continual-learning method, running.
///
/// The order of calls for each task: begin_task, fit (whose epochs call begin_epoch, and loss,
/// after_backward and after_step for every batch, in the first epoch remember too), end_task; then
/// before_scores, and scores for evaluation. After a crash, `state` restores what it saved at the
/// end of a task, or between two steps of fit's epochs; in the latter case begin_task is not called
/// again, fit is, and begin_epoch for the epoch that was interrupted.
///
/// Where samples come once, `observe` takes the place of fit, batch by batch. Where the scenario
/// does not tell when tasks end, begin_task and end_task are not called either: begin_classes is,
/// when a batch brings classes that were never met. A learner that needs no boundaries makes room
/// for classes there.
class Learner {
 public:
  virtual ~Learner() = default;

  /// What to descend on a batch of the task; the trainer owns precision, backward and step. Scalar.
  virtual Tensor loss(const Batch& batch, const Step& step) = 0;
  /// [B, classes seen]; of one sample: independent of the rest of the batch. Builds no graph. May
  /// be called from several threads at a time.
  virtual Tensor scores(const Question& asked) const = 0;
  /// What the optimizer of this task moves.
  virtual std::vector<ParamGroup> trainable() = 0;
  /// Everything resuming needs beyond the backbone's initial weights; one call saves and loads.
  virtual void state(Archive& a) = 0;

  /// Grows heads, prompts, adapters; by default for the fresh classes.
  virtual void begin_task(const Task& task, Trainer& trainer);
  virtual void begin_classes(int64_t /*fresh*/) {}  // so many classes are met for the first time
  virtual void begin_epoch(const Step&) {}          // freeze what an epoch does not train
  virtual void after_backward(const Step&) {}       // project gradients
  virtual void after_step(const Batch&, const Step&) {}  // moving averages, importance traces
  virtual void end_task(const Task&, Trainer&) {}        // Fisher, prototypes, herding, merging
  virtual void remember(const Batch&) {}                 // of samples met for the first time: store
  /// The epochs; a closed form overrides it.
  virtual void fit(const Task& task, Trainer& trainer);
  /// Learns a batch whose samples come once: by default so many steps as the training options say,
  /// then remember.
  virtual void observe(const Batch& batch, Trainer& trainer);
  /// Whether it learns from features that chance has no part in: then samples that come once reach
  /// it through the test transform.
  virtual bool reads_features() const { return false; }
  /// What must be done before scores are asked for, such as training on the memory alone.
  virtual void before_scores(Trainer&) {}

  /// Forgets a class: from then on all is as if it had never been learned, and the classes after it
  /// are numbered one less. Throws Error(usage) where what is known of it cannot be taken out.
  virtual void forget(int64_t target);

  /// What the record shows of the method's inside after a task's evaluation, such as how often each
  /// prompt was chosen; null: nothing.
  virtual Json diagnostics() const;
};

/// A method without gradients: its knowledge comes from features alone.
class ClosedFormLearner : public Learner {
 public:
  Tensor loss(const Batch&, const Step&) final;
  std::vector<ParamGroup> trainable() final { return {}; }
  void fit(const Task& task, Trainer& trainer) override = 0;
};

/// One that can learn its samples as they come, each once: offline it is shown every sample of a
/// task once, too.
class StreamingLearner : public ClosedFormLearner {
 public:
  void observe(const Batch& batch, Trainer& trainer) override = 0;
  void fit(const Task& task, Trainer& trainer) override;
  bool reads_features() const override { return true; }
};

/// One group of everything in `modules` that takes gradients.
template <class... Modules>
ParamGroup trainable_group(Modules&&... modules) {
  ParamGroup group;
  const auto add = [&](const std::vector<nn::NamedTensor>& list) {
    for (const auto& item : list) group.tensors.push_back(item.tensor);
  };
  (add(nn::trainable(modules)), ...);
  return group;
}

/// What a learner is made from.
struct Setup {
  Backbone& backbone;  // lent; frozen
  Seeds seeds;
  Grant grant = {};                       // what the scenario lets it know
  const SampleLoader* samples = nullptr;  // lent: how a memory gives back what it stored

  /// The same. Throws Error(usage) where there is none.
  const SampleLoader& loader() const;
};

/// A method's own options. Every default is the paper's value.
struct LearnerOptions {
  virtual ~LearnerOptions() = default;
  virtual void bind(Fields&) {}
};

/// The networks a method works on: a name for people, and a question that a network answers.
struct Network {
  const char* name;
  /// What a network lacks, as a sentence that follows the method's name; nothing where it will do.
  std::optional<std::string> (*lack)(const Backbone& backbone);

  static const Network any;          // everything has features
  static const Network transformer;  // blocks that can be adapted
  static const Network clip;         // images and texts in one space, and a tokenizer
  static const Network mlp;          // every unit can be masked
  friend bool operator==(const Network& a, const Network& b) { return a.lack == b.lack; }
};

/// A method's row in the registry: what it is, what it needs, how it is made.
struct LearnerRow {
  std::string name, family;  // filled in from learners.def
  std::string paper;         // "Zhou et al., IJCV 2024"
  std::string about;         // the idea in one sentence
  std::string stores;        // what it keeps beside the pre-trained network
  std::string differs;       // from other implementations, and why; empty: nothing to know
  Grant needs;
  bool keeps_samples = false;  // of earlier tasks, as many as its options say
  Network network = Network::transformer;
  TrainingOptions training;  // the paper's
  std::function<std::unique_ptr<LearnerOptions>()> options;
  std::function<std::unique_ptr<Learner>(Setup, const LearnerOptions&)> make;
};

/// A row for `Method`, which has a nested `Options` and a constructor (Setup, const Options&).
template <class Method>
LearnerRow learner_row(LearnerRow row) {
  using Options = typename Method::Options;
  row.options = [] { return std::make_unique<Options>(); };
  row.make = [](Setup setup, const LearnerOptions& options) -> std::unique_ptr<Learner> {
    return std::make_unique<Method>(setup, static_cast<const Options&>(options));
  };
  return row;
}

}  // namespace patina
