// Sequential fine-tuning with one head a task: the whole network and the newest head follow each
// task in turn, where only its own classes compete. What a method does about forgetting comes on
// top.
#pragma once

#include <vector>

#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

class SequentialLearner : public Learner {
 public:
  /// `deviation` of a fresh head's rows, as TaskHeads::add has it.
  explicit SequentialLearner(Setup setup, double deviation = 0);

  void begin_task(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch) override;
  Tensor scores(const Batch& batch) override;
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

  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }
  nn::TaskHeads& heads() { return heads_; }
  const nn::TaskHeads& heads() const { return heads_; }

 private:
  Backbone& backbone_;  // trained in place
  Seeds seeds_;
  double deviation_;
  nn::TaskHeads heads_;
};

}  // namespace patina
