// Base for methods that give every task a LoRA of its own and keep all of them.
#pragma once

#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class TaskLoraLearner : public AnswerLearner {
 public:
  TaskLoraLearner(Setup setup, const adapt::LoraOptions& options);

  /// Freezes what the task before learned and begins a new LoRA, drawn for this task.
  void begin_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  /// The LoRAs of all tasks, the present one last. Before the first task there is one, which
  /// changes nothing.
  std::vector<const adapt::Lora*> loras() const;
  const std::vector<std::unique_ptr<adapt::Lora>>& earlier() const { return earlier_; }

 private:
  void keep_present();

  adapt::LoraOptions options_;
  std::vector<std::unique_ptr<adapt::Lora>> earlier_;  // frozen
};

}  // namespace patina
