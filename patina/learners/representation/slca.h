// SLCA, for the methods that build on it: SLCA++, CoMA, CoFiMA. What it is stands in slca.cc.
#pragma once

#include "patina/learners/baseline/sequential.h"
#include "patina/learners/representation/alignment.h"
#include "patina/nn/merging.h"

namespace patina {

/// What its descendants take over, too.
struct SlcaOptions {
  double backbone_lr_factor = 0.01;
  double temperature = 0.1;
  AlignmentOptions alignment;

  void bind(Fields& f);
};

/// The paper's for CIFAR-100.
TrainingOptions slca_training();

class Slca : public SequentialLearner {
 public:
  struct Options : LearnerOptions, SlcaOptions {
    void bind(Fields& f) override { SlcaOptions::bind(f); }
  };

  Slca(Setup setup, const SlcaOptions& options);

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
  SlcaOptions options_;
  Gaussians gaussians_;    // of each class, under the backbone of its own task
  nn::TaskHeads trained_;  // the heads before alignment, from the end of a task to the next
};

}  // namespace patina
