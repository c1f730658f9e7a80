// DFT, dynamic fine-tuning (Wu et al., "On the Generalization of SFT: A Reinforcement Learning
// Perspective with Reward Rectification", 2025): supervised fine-tuning in which each token's loss
// is weighted by the token's probability. It is `sft` with loss = "dft".
#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class Dft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerOptions {
    Options() { loss.loss = "dft"; }
    void bind(Fields& f) override { AnswerOptions::bind(f); }
  };

  Dft(Setup setup, const Options& options) : AnswerLearner(setup, options) {}
};

LearnerRow dft_learner() {
  return learner_row<Dft>(
      {.paper = "Wu et al., 2025",
       .about = "Fine-tunes with each token's loss weighted by its probability. The wrong tool to "
                "replace "
                "facts that the model knows.",
       .stores = "One LoRA, or the network.",
       .differs =
           "The weighted losses are divided by the tokens of the whole batch, so that accumulation "
           "changes nothing.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
