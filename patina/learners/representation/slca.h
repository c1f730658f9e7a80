// SLCA, as the base of SLCA++, CoMA and CoFiMA. See slca.cc.
#pragma once

#include "patina/learners/baseline/sequential.h"
#include "patina/learners/representation/alignment.h"
#include "patina/nn/merging.h"

namespace patina {

/// The options that derived methods share.
struct SlcaOptions {
  double backbone_lr_factor = 0.01;
  double temperature = 0.1;
  AlignmentOptions alignment;

  void bind(Fields& f);
};

/// The paper's options for CIFAR-100.
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
  /// Called between training and the class Gaussians, for merging. All heads require gradients.
  virtual void consolidate(const Task&, Trainer&) {}
  /// Trains all heads on features sampled from the Gaussians.
  virtual void align_heads(Random random);

  /// Calls `align` with the options. The loss is computed on sampled features [B,D] as `change`
  /// returns them.
  void align_on(Random random, std::span<const double> scales,
                const std::function<Tensor(const Tensor& drawn, const Tensor& targets)>& change);
  /// The backbone's tensors, then weight and bias of each task's head, so that a task appends only.
  std::vector<nn::NamedTensor> network();

 private:
  SlcaOptions options_;
  Gaussians gaussians_;    // of each class, under the backbone of its own task
  nn::TaskHeads trained_;  // the heads before alignment, from the end of a task to the next
};

}  // namespace patina
