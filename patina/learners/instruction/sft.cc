// Supervised fine-tuning on one task after the other, without any measure against forgetting: the
// lower bound of continual instruction tuning (Wang et al., "TRACE", 2023), and continual
// pre-training where the samples are plain text.
#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class Sft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerOptions {
    void bind(Fields& f) override { AnswerOptions::bind(f); }
  };

  Sft(Setup setup, const Options& options) : AnswerLearner(setup, options) {}
};

LearnerRow sft_learner() {
  return learner_row<Sft>(
      {.paper = "lower bound",
       .about = "Trains the network, or a LoRA of it, on each task's answers in turn and does "
                "nothing about forgetting.",
       .stores = "One LoRA, or the network.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
