// Base for methods that merge task vectors: what each round changed of the pre-trained weights.
#pragma once

#include <vector>

#include "patina/learners/pretraining/round_learner.h"

namespace patina {

struct TaskVectorOptions {
  double scale = 1;
  std::string start = "pretrained";
  void bind(Fields& f);
};

/// After each round the network is θ₀ + scale * merged(τ_1, ..., τ_t), with τ_i = θ_i - θ₀ of the
/// weights θ_i that round i trained.
class TaskVectorLearner : public RoundLearner {
 public:
  TaskVectorLearner(Setup setup, const TaskVectorOptions& options, const RoundOptions& rounds);

  void begin_task(const Task& task, Trainer& trainer) override;
  void end_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 private:
  /// The sum, in some sense, of the task vectors; at least one.
  virtual Weights merged(const std::vector<Weights>& vectors) const = 0;

  TaskVectorOptions options_;
  Weights pretrained_;  // θ₀
  std::vector<Weights> vectors_;
};

/// The row of such a method.
template <class Method>
LearnerRow task_vector_row(const std::string& paper, const std::string& about) {
  return learner_row<Method>(
      {.paper = paper,
       .about = about,
       .stores = "The network, the pre-trained one, and a vector a round.",
       .differs = "A baseline: the paper merges networks that were fine-tuned apart.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = round_training(1e-4, 16)});
}

}  // namespace patina
