// Continual pre-training with a LoRA of high rank on all linear layers (Biderman et al., "LoRA
// Learns Less and Forgets Less", TMLR 2024): one LoRA goes on from round to round.
#include "patina/learners/pretraining/round_learner.h"

namespace patina {

class LoraCpt : public RoundLearner {
 public:
  struct Options : LearnerOptions, RoundOptions {
    adapt::LoraOptions lora{.rank = 256, .alpha = 512, .parts = "qkv", .output = true, .mlp = true};
    void bind(Fields& f) override {
      RoundOptions::bind(f);
      lora.bind(f);
    }
  };

  LoraCpt(Setup setup, const Options& options)
      : RoundLearner(setup, {.tune = "lora", .lora = options.lora}, options) {}
};

LearnerRow lora_cpt_learner() {
  return learner_row<LoraCpt>(
      {.paper = "Biderman et al., TMLR 2024",
       .about = "Trains one LoRA of high rank on all linear layers, round after round.",
       .stores = "One LoRA.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = round_training(2e-4, 32)});
}

}  // namespace patina
