// A herded memory that shrinks with the classes: what iCaRL keeps, and those who follow it.
#pragma once

#include "patina/learn/trainer.h"
#include "patina/memory/herding.h"

namespace patina {

struct HerdedMemoryOptions {
  int64_t memory = 2000, memory_per_class = 0;

  void bind(Fields& f);
};

class HerdedMemory {
 public:
  /// `samples` is lent.
  HerdedMemory(const HerdedMemoryOptions& options, const SampleLoader& samples)
      : options_(options), samples_(samples) {}

  /// A task's samples, then all that are remembered.
  Dataset beside(const Task& task) const;
  /// So many epochs on those, the training options' by default.
  void train_beside(Learner& learner, const Task& task, Trainer& trainer) const {
    train_beside(learner, task, trainer, trainer.options().epochs);
  }
  void train_beside(Learner& learner, const Task& task, Trainer& trainer, int64_t epochs) const;
  /// Takes the task's fresh classes in, by the features of its samples in their order, and gives up
  /// what is too much of the others.
  void update(const Task& task, const FeatureSet& set);
  /// The mean of each class's remembered samples, by unit features: [K,D].
  Tensor means(const Backbone& network, Trainer& trainer) const;
  void state(Archive& a) { memory_.state(a); }

 private:
  HerdedMemoryOptions options_;
  const SampleLoader& samples_;
  ClassMemory memory_;
};

}  // namespace patina
