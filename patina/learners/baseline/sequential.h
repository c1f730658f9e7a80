// Sequential fine-tuning with one head per task: the whole network and the newest head are trained
// on one task after the other, with cross-entropy among the task's own classes. Methods against
// forgetting build on it.
#pragma once

#include <vector>

#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// How a task's head is initialised. `drawn`: rows from N(0, 0.02²) truncated at two deviations.
/// `means`: as a nearest-class-mean classifier, w = μ / √D and b = -|μ|² / 2√D, with means under
/// the network before the task's training, so that its scores are comparable with those of other
/// tasks' heads.
enum class FreshHead { drawn, means };

class SequentialLearner : public Learner {
 public:
  SequentialLearner(Setup setup, FreshHead fresh);

  void begin_task(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  Tensor scores(const Question& asked) const override;
  /// Two groups: the backbone's tensors that require gradients, and the newest head.
  std::vector<ParamGroup> trainable() override;
  std::optional<AsNetwork> as_network() const override;
  void state(Archive& a) override;

 protected:
  virtual Tensor features(const Input& input) const { return backbone_.features(input); }
  virtual FeatureSet features(const Dataset& data, Trainer& trainer) const {
    return trainer.features(backbone_, data);
  }
  /// Scores of the newest task's classes, and the targets relative to its first class, for `loss`.
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
