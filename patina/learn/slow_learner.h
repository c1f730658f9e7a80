// Slow learner with classifier alignment (Zhang et al., "SLCA", ICCV 2023): the backbone learns
// much slower than the heads; after each task the heads are aligned on Gaussians of all classes
// seen, for scoring alone: the next task begins with the heads as they were trained. SLCA++, CoFiMA
// and CoMA build on the same.
#pragma once

#include "patina/learn/alignment.h"
#include "patina/learn/merging.h"
#include "patina/learn/sequential.h"

namespace patina {

/// Defaults: SLCA's.
struct SlowLearnerOptions {
  double backbone_lr_factor = 0.01;
  double temperature = 0.1;
  AlignmentOptions alignment;

  void bind(Fields& f);
};

/// SLCA's for CIFAR-100, which its descendants take over.
TrainingOptions slow_learner_training();

class SlowLearner : public SequentialLearner {
 public:
  SlowLearner(Setup setup, const SlowLearnerOptions& options);

  void begin_task(const Task& task, Trainer& trainer) override;
  std::vector<ParamGroup> trainable() override;
  void end_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  /// Between training and the class Gaussians: merging. All heads take gradients.
  virtual void consolidate(const Task&, Trainer&) {}
  /// Trains all heads on features drawn from the Gaussians.
  virtual void align_heads(Random random);

  /// `align` with these options; the loss is that of drawn features [B,D] after `change`.
  void align_on(Random random, std::span<const double> scales,
                const std::function<Tensor(const Tensor& drawn, const Tensor& targets)>& change);
  /// The backbone's tensors, then weight and bias of each task's head: a task only adds at the end.
  std::vector<nn::NamedTensor> network();

 private:
  SlowLearnerOptions options_;
  Gaussians gaussians_;    // of each class, under the backbone of its own task
  nn::TaskHeads trained_;  // the heads before alignment, from the end of a task to the next
};

/// SLCA whose network is averaged with the previous one, the one that scored with aligned heads,
/// before the Gaussians are taken and the heads aligned: CoMA, CoFiMA. The new head, which the
/// previous network lacks, stays as trained.
class AveragedLearner : public SlowLearner {
 public:
  using SlowLearner::SlowLearner;

  void end_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  /// Of the previous network's tensors and those, in the same places, that the task trained. Called
  /// after the first task too, where both are empty.
  virtual Weights averaged(const Weights& previous, const Weights& trained, const Task& task,
                           Trainer& trainer) = 0;

 private:
  void consolidate(const Task& task, Trainer& trainer) final;

  Weights previous_;  // network(); empty before the first task's end
};

}  // namespace patina
