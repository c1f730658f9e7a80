// Sequential fine-tuning with one head a task: the whole network and the newest head follow each
// task in turn, where only its own classes compete. What a method does about forgetting comes on
// top.
#pragma once

#include <vector>

#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// How a task's head begins. `drawn`: rows from N(0, 0.02²) cut at two deviations. `means`: as the
/// classifier by nearest class mean, w = μ / √D and b = -|μ|² / 2√D, under the network the task
/// begins with, so that its scores compare with those of other tasks' heads.
enum class FreshHead { drawn, means };

class SequentialLearner : public Learner {
 public:
  SequentialLearner(Setup setup, FreshHead fresh);

  void begin_task(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  Tensor scores(const Question& asked) const override;
  /// Two groups: what takes gradients in the backbone, and the newest head.
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  virtual Tensor features(const Input& input) const { return backbone_.features(input); }
  virtual FeatureSet features(const Dataset& data, Trainer& trainer) const {
    return trainer.features(backbone_, data);
  }
  /// Scores of the newest task's classes, and the targets among them: what `loss` compares.
  Tensor fresh_scores(const Batch& batch) const;
  Tensor fresh_targets(const Batch& batch) const;

  std::vector<Tensor> newest_head() const { return heads_.tensors_of(heads_.tasks() - 1); }

  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }
  nn::TaskHeads& heads() { return heads_; }
  const nn::TaskHeads& heads() const { return heads_; }

 private:
  Backbone& backbone_;  // trained in place
  Seeds seeds_;
  FreshHead fresh_;
  nn::TaskHeads heads_;
};

}  // namespace patina
