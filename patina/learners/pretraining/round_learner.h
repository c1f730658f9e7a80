// Base for continual pre-training by rounds: each task is a round of plain text, and the model goes
// on from where the last round left it.
#pragma once

#include "patina/learners/instruction/answer_learner.h"
#include "patina/nn/merging.h"

namespace patina {

/// The options that all methods of the family have.
struct RoundOptions {
  bool keep_optimizer = false;
  void bind(Fields& f);
};

/// Small steps with a warm-up and a cosine in each round.
TrainingOptions round_training(double lr, int64_t batch_size);

/// One round after the other. With an infinite schedule that anneals, a round ends on a branch: the
/// annealed weights answer, and the next round goes on from the weights before the annealing.
class RoundLearner : public AnswerLearner {
 public:
  RoundLearner(Setup setup, const TuneOptions& tune, const RoundOptions& options)
      : AnswerLearner(setup, tune), options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  void fit(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  /// The loss without a note of annealing.
  Tensor text_loss(const Batch& batch, const Step& step) {
    return AnswerLearner::loss(batch, step);
  }
  /// To be called by the first of a step's losses, before the weights change.
  void note_annealing(const Step& step);
  /// What this class saves; `state` saves the network as well.
  void round_state(Archive& a) { a("trunk", trunk_); }

 private:
  RoundOptions options_;
  Weights trunk_;  // what is trained, as it was before the annealing; empty: not annealed
};

}  // namespace patina
