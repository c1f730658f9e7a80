// Base for methods that train one network and one linear head over all classes. A method adds its
// measures against forgetting.
#pragma once

#include <functional>
#include <vector>

#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// Task-incremental scores: `scored(task, input)` is called for the samples of each task of a batch
/// with known task identities. [B,K]
Tensor by_task(const Question& asked,
               const std::function<Tensor(int64_t task, const Input& input)>& scored);

class NetworkLearner : public Learner {
 public:
  explicit NetworkLearner(Setup setup);

  void begin_task(const Task& task, Trainer& trainer) override;
  void begin_classes(int64_t fresh) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  Tensor scores(const Question& asked) const override;
  bool answers_untrained() const override { return true; }
  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.trains_weights = true, .weight = head_.weight, .bias = head_.bias};
  }
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  /// Scores with a graph: [B,K].
  Tensor outputs(const Input& input) const { return head_(backbone_.features(input)); }
  /// If the task is known at test time, sets the scores of other tasks' classes to -inf, since they
  /// do not compete with a sample's class; otherwise returns them unchanged. [B,K], [B] -> [B,K]
  Tensor competing(const Tensor& outputs, const Tensor& target) const;
  /// Mean cross-entropy over the competing scores.
  Tensor task_loss(const Tensor& outputs, const Tensor& target) const;
  /// The tensors of network and head that require gradients, in the order of `trainable`.
  std::vector<nn::NamedTensor> learned();

  Backbone& backbone() const { return backbone_; }
  const nn::LinearHead& head() const { return head_; }
  nn::LinearHead& head() { return head_; }
  const Seeds& seeds() const { return seeds_; }
  const Grant& grant() const { return grant_; }

 private:
  Backbone& backbone_;  // trained in place
  Seeds seeds_;
  Grant grant_;
  nn::LinearHead head_;
  ClassTasks tasks_;  // empty if task boundaries are unknown
};

}  // namespace patina
