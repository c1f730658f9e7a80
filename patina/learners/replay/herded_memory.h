// A herded memory whose size per class shrinks as classes are added: iCaRL and its successors.
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

  /// A task's samples, then all memory samples.
  Dataset beside(const Task& task) const;
  /// The memory's samples alone.
  Dataset kept() const { return samples_.dataset(memory_.all()); }
  /// Trains on the samples of `beside`, by default for the configured number of epochs. Throws
  /// Error(recipe) if the memory cannot hold a sample of every class.
  void train_beside(Learner& learner, const Task& task, Trainer& trainer) const {
    train_beside(learner, task, trainer, trainer.options().epochs);
  }
  void train_beside(Learner& learner, const Task& task, Trainer& trainer, int64_t epochs) const;
  /// Adds the task's new classes, herded by the features of its samples (in their order), and
  /// reduces the other classes to the new size.
  void update(const Task& task, const FeatureSet& set);
  /// The mean of each class's memory samples, from normalised features: [K,D].
  Tensor means(const Backbone& network, Trainer& trainer) const;
  void state(Archive& a) { memory_.state(a); }

 private:
  int64_t share(const Task& task) const;  // samples of each class after the task

  HerdedMemoryOptions options_;
  const SampleLoader& samples_;
  ClassMemory memory_;
};

}  // namespace patina
