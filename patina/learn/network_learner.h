// The classical set-up: one network and one linear head over all classes, trained as a whole. What
// a method does about forgetting comes on top.
#pragma once

#include <functional>
#include <vector>

#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// Scores where every sample is asked of its own task's network, `scored(task, input)`: of a batch
/// that says which task each sample is of. [B,K]
Tensor by_task(const Question& asked,
               const std::function<Tensor(int64_t task, const Input& input)>& scored);

class NetworkLearner : public Learner {
 public:
  explicit NetworkLearner(Setup setup);

  void begin_task(const Task& task, Trainer& trainer) override;
  void begin_classes(int64_t fresh) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  Tensor scores(const Question& asked) const override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  /// Scores with a graph: [B,K].
  Tensor outputs(const Input& input) const { return head_(backbone_.features(input)); }
  /// Scores where those that do not compete with a sample's class at test time are -inf: of other
  /// tasks' classes, where the task will be told; otherwise none. [B,K], [B] -> [B,K]
  Tensor competing(const Tensor& outputs, const Tensor& target) const;
  /// Mean cross-entropy among those that compete.
  Tensor task_loss(const Tensor& outputs, const Tensor& target) const;
  /// What takes gradients in the network and the head, in the order of `trainable`.
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
  ClassTasks tasks_;  // where the stream tells them
};

}  // namespace patina
