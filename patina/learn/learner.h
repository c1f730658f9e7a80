// Learner: the interface of every continual-learning method, and what it is constructed from.
#pragma once

#include <concepts>
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

struct Experts;
class Usage;
namespace adapt {
class Lora;
}

/// What a method learned, as one network that programs without the method can compute: the
/// backbone, low-rank changes of its weights, and a linear head.
struct AsNetwork {
  const adapt::Lora* lora = nullptr;                  // lent, unless `made` owns it; null: none
  std::shared_ptr<const adapt::Lora> made = nullptr;  // of a method that has it in other pieces
  bool trains_weights = false;  // the backbone's own weights have changed as well
  Tensor weight, bias;          // of the head, [K,D] and [K]; undefined: no head
  Tensor projection = {};       // [D,M]: the head [K,M] reads relu(f P); undefined: features f
  bool cosine = false;          // scores are the cosines with the head's rows
};

/// Scores [B,K] of K classes.
using Classifier = std::function<Tensor(const Question&)>;

/// The classes of two learners, united by name: the first one's keep their numbers, and the other's
/// new ones follow in its order.
struct UnitedClasses {
  std::vector<std::string> names;  // of all, by their numbers
  std::vector<int64_t> numbers;    // of the other's classes: the number of each among all

  int64_t size() const { return int64_t(names.size()); }
};

class Generator;

/// A continual-learning method.
/// | Order of calls for each task: begin_task; fit, whose epochs call begin_epoch, and for every
/// batch loss, after_backward and after_step, in the first epoch also remember; end_task; then
/// before_scores, and scores for evaluation. When a run is resumed, `state` restores what it saved
/// at the end of a task or between two steps of an epoch. In the second case begin_task is not
/// called again; fit is, and begin_epoch for the interrupted epoch.
/// | In a single-pass scenario `observe` is called batch by batch instead of fit. If task
/// boundaries are unknown, begin_task and end_task are not called; begin_classes is called when a
/// batch contains classes that are new. A learner that needs no boundaries grows its parameters
/// there.
class Learner {
 public:
  virtual ~Learner() = default;

  /// The loss of a batch (scalar). The trainer handles precision, backward and the optimizer step.
  virtual Tensor loss(const Batch& batch, const Step& step) = 0;
  /// Scores [B, classes seen]. A sample's scores must not depend on the rest of the batch. Builds
  /// no graph. May be called from several threads at once.
  virtual Tensor scores(const Question& asked) const = 0;
  /// The parameters that this task's optimizer trains.
  virtual std::vector<ParamGroup> trainable() = 0;
  /// Saves or loads all that resuming needs beyond the backbone's initial weights.
  virtual void state(Archive& a) = 0;

  /// Grows heads, prompts or adapters; by default calls begin_classes for the new classes.
  virtual void begin_task(const Task& task, Trainer& trainer);
  virtual void begin_classes(int64_t /*fresh*/) {}       // the number of classes that are new
  virtual void begin_epoch(const Step&) {}               // to freeze what an epoch does not train
  virtual void after_backward(const Step&) {}            // to project gradients
  virtual void after_step(const Batch&, const Step&) {}  // moving averages, importance traces
  virtual void end_task(const Task&, Trainer&) {}        // Fisher, prototypes, herding, merging
  virtual void remember(const Batch&) {}                 // to store samples that are new
  /// Trains on the task, by default for epochs; a closed-form method overrides it.
  virtual void fit(const Task& task, Trainer& trainer);
  /// Learns a batch of a single-pass stream: by default `updates_per_batch` gradient steps, then
  /// remember.
  virtual void observe(const Batch& batch, Trainer& trainer);
  /// Whether it learns from features without random augmentation. If so, a single-pass stream is
  /// loaded with the test transform.
  virtual bool reads_features() const { return false; }
  /// Tensors besides those of `trainable` whose gradients after_backward reads.
  virtual std::vector<Tensor> reached() { return {}; }
  /// Whether the loss of a part of a batch reads only what a checkpoint holds and leaves nothing
  /// behind that the rest of the step reads. If not, every worker of a run computes all parts.
  virtual bool divides() const { return true; }
  /// Called before evaluation, for work such as training on the memory alone.
  virtual void before_scores(Trainer&) {}

  /// Whether `scores` can be called once classes were announced (begin_task, begin_classes), before
  /// a sample of them was learned: the head then has its initial weights. Otherwise scores need
  /// learning.
  virtual bool answers_untrained() const { return false; }
  /// For a method that knows classes by their names: a classifier for `names`, seen or not, in its
  /// current state. Empty if the method needs samples of a class.
  virtual Classifier by_name(const std::vector<std::string>& names) const;

  /// Its present state as a network; nothing if the method computes more than that: prompts,
  /// several networks, distances.
  virtual std::optional<AsNetwork> as_network() const { return std::nullopt; }

  /// Forgets a class as if it had never been learned; the numbers of the classes after it decrease
  /// by one. Throws Error(usage) if the method cannot remove what it knows of one class.
  virtual void forget(int64_t target);

  /// Adds what `other` learned of samples of its own, as if this learner had learned them, too.
  /// Both are of one method with the same network, options and seeds. Throws Error(usage) if what
  /// the method knows is not a sum over samples.
  virtual void merge(const Learner& other, const UnitedClasses& classes);

  /// The learner as one that answers with text; null: it chooses among classes.
  virtual Generator* generator() { return nullptr; }

  /// What scoring has counted since the newest task or step; null: nothing.
  virtual Usage* usage() { return nullptr; }
  /// Internals for the record after a task's evaluation, such as how often each prompt was chosen;
  /// null: none.
  virtual Json diagnostics() const;
};

/// A method whose answers are texts. Its network continues a prompt; what the method learned is in
/// the network's weights and in the adaptations.
class Generator : public Learner {
 public:
  /// With which the network answers an input; lent, until the learner learns on. A sample's must
  /// not depend on the rest of the batch. May be called from several threads at once.
  virtual nn::Adaptations adaptations(const Input& input) const = 0;
  /// What answers an input, by default the network with these adaptations alone. A method whose
  /// answers several of them give together overrides it.
  virtual Experts experts(const Input& input) const;
  /// The samples of an epoch of a task: by default the task's own.
  virtual Dataset samples_of(const Task& task, int64_t epoch) const;
  Tensor scores(const Question& asked) const final;  // never called
  Generator* generator() final { return this; }
};

/// A method without gradients that computes its parameters from features.
class ClosedFormLearner : public Learner {
 public:
  Tensor loss(const Batch&, const Step&) final;
  std::vector<ParamGroup> trainable() final { return {}; }
  void fit(const Task& task, Trainer& trainer) override = 0;
};

/// A closed-form method that learns from single samples. Offline, each sample of a task is observed
/// once as well.
class StreamingLearner : public ClosedFormLearner {
 public:
  void observe(const Batch& batch, Trainer& trainer) override = 0;
  void fit(const Task& task, Trainer& trainer) override;
  bool reads_features() const override { return true; }
};

/// One parameter group with everything in `modules` that requires gradients.
template <class... Modules>
ParamGroup trainable_group(Modules&&... modules) {
  ParamGroup group;
  const auto add = [&](const std::vector<nn::NamedTensor>& list) {
    for (const auto& item : list) group.tensors.push_back(item.tensor);
  };
  (add(nn::trainable(modules)), ...);
  return group;
}

/// What a learner is constructed from.
struct Setup {
  Backbone& backbone;  // lent; frozen
  Seeds seeds;
  Grant grant = {};                       // what the scenario lets it know
  const SampleLoader* samples = nullptr;  // lent: loads the samples that a memory stored

  /// The same as a reference. Throws Error(usage) if there is none.
  const SampleLoader& loader() const;
};

/// The options of one method. Defaults are the paper's values.
struct LearnerOptions {
  virtual ~LearnerOptions() = default;
  virtual void bind(Fields&) {}
};

/// A requirement on networks: a name for messages, and a check.
struct Network {
  const char* name;
  /// What `backbone` is missing, as a sentence that follows the method's name; nothing if it is
  /// suitable.
  std::optional<std::string> (*lack)(const Backbone& backbone);

  static const Network any;          // everything has features
  static const Network transformer;  // has blocks that can be adapted
  static const Network decoder;      // continues a text, and has a tokenizer
  static const Network clip;         // images and texts in one embedding space, and a tokenizer
  static const Network mlp;          // every unit can be masked
  friend bool operator==(const Network& a, const Network& b) { return a.lack == b.lack; }
};

/// A method's row in the registry: description, requirements and constructor.
struct LearnerRow {
  std::string name, family;  // filled in from learners.def
  std::string paper;         // "Zhou et al., IJCV 2024"
  std::string about;         // the idea in one sentence
  std::string stores;        // what it stores besides the pre-trained network
  std::string differs;       // how and why it differs from other implementations; empty: nothing
                             // known
  Grant needs;
  bool generates = false;             // answers with text: set by learner_row
  bool trains = true;                 // by gradient steps: set by learner_row
  bool keeps_samples = false;         // samples of earlier tasks, as many as its options say
  bool answers_from_samples = false;  // and reads them when it predicts
  Network network = Network::transformer;
  TrainingOptions training;  // the paper's
  std::function<std::unique_ptr<LearnerOptions>()> options;
  std::function<std::unique_ptr<Learner>(Setup, const LearnerOptions&)> make;
};

/// A row for `Method`, which has a nested `Options` and a constructor (Setup, const Options&).
template <class Method>
LearnerRow learner_row(LearnerRow row) {
  using Options = typename Method::Options;
  row.generates = std::derived_from<Method, Generator>;
  row.trains = !std::derived_from<Method, ClosedFormLearner>;
  row.options = [] { return std::make_unique<Options>(); };
  row.make = [](Setup setup, const LearnerOptions& options) -> std::unique_ptr<Learner> {
    return std::make_unique<Method>(setup, static_cast<const Options&>(options));
  };
  return row;
}

}  // namespace patina
