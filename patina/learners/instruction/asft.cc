// ASFT, anchored supervised fine-tuning (Zhu et al., "Anchored Supervised Fine-Tuning", 2025): DFT
// with the divergence from the base model as a penalty. It is `sft` with loss = "asft".
#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class Asft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerOptions {
    Options() { loss.loss = "asft"; }
    void bind(Fields& f) override { AnswerOptions::bind(f); }
  };

  Asft(Setup setup, const Options& options) : AnswerLearner(setup, options) {}
};

LearnerRow asft_learner() {
  return learner_row<Asft>(
      {.paper = "Zhu et al., 2025",
       .about = "Fine-tunes as dft and holds the model near its base. The wrong tool to replace "
                "facts that "
                "the model knows.",
       .stores = "One LoRA, or the network and a copy of the base.",
       .differs =
           "The weighted losses are divided by the tokens of the whole batch; in LLaMA-Factory the "
           "loss depends on accumulation.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
