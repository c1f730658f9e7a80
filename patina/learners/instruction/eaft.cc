// EAFT, entropy-adaptive fine-tuning (Diao et al., "Entropy-Adaptive Fine-Tuning: Resolving
// Confident Conflicts to Mitigate Forgetting", 2026): supervised fine-tuning in which each token's
// loss is weighted by the model's entropy there. It is `sft` with loss = "eaft".
#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class Eaft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerOptions {
    Options() { loss.loss = "eaft"; }
    void bind(Fields& f) override { AnswerOptions::bind(f); }
  };

  Eaft(Setup setup, const Options& options) : AnswerLearner(setup, options) {}
};

LearnerRow eaft_learner() {
  return learner_row<Eaft>(
      {.paper = "Diao et al., 2026",
       .about =
           "Fine-tunes with each token's loss weighted by the model's entropy, so that what it is "
           "sure of changes little. The wrong tool to replace facts that the model knows.",
       .stores = "One LoRA, or the network.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
