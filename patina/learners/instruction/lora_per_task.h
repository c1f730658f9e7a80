// A LoRA for every task, of which the newest learns. What answers is their sum, so that no task
// needs to be known, or the mixture that a method takes of them.
#pragma once

#include <memory>
#include <vector>

#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class LoraPerTask : public AnswerLearner {
 public:
  LoraPerTask(Setup setup, const adapt::LoraOptions& lora, const AnswerLossOptions& loss = {})
      : AnswerLearner(setup, {.lora = lora}, loss), options_(lora) {}

  /// From the second task on, keeps the last task's LoRA and begins a new one, which changes
  /// nothing yet.
  void begin_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;
  /// A mixture that depends on the input is more than a network.
  std::optional<AsNetwork> as_network() const override { return std::nullopt; }

 protected:
  /// Those of all tasks, the present one last. Before the first task there is one, which changes
  /// nothing.
  std::vector<const adapt::Lora*> loras() const;
  /// For a method that chooses A itself: only B learns.
  void freeze_directions();
  /// Of earlier tasks, frozen, in order.
  const std::vector<std::unique_ptr<adapt::Lora>>& earlier() const { return earlier_; }

 private:
  void keep();

  adapt::LoraOptions options_;
  std::vector<std::unique_ptr<adapt::Lora>> earlier_;
};

/// The sum of all answers.
class SummedLoras : public LoraPerTask {
 public:
  using LoraPerTask::LoraPerTask;
  nn::Adaptations adaptations(const Input& input) const override;
  std::optional<AsNetwork> as_network() const override;
};

}  // namespace patina
