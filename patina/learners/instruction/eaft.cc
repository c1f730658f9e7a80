// EAFT, entropy-adaptive fine-tuning (Diao et al., "Entropy-Adaptive Fine-Tuning: Resolving
// Confident Conflicts to Mitigate Forgetting", 2026): supervised fine-tuning in which each token's
// loss is weighted by the model's entropy there. It is `sft` with loss = "eaft".
#include "patina/learners/instruction/sft.h"

namespace patina {

LearnerRow eaft_learner() {
  return sft_row(
      "eaft",
      {.paper = "Diao et al., 2026",
       .about =
           "Fine-tunes with each token's loss weighted by the model's entropy, so that what it is "
           "sure of changes little. The wrong tool to replace facts that the model knows.",
       .stores = "One LoRA, or the network."});
}

}  // namespace patina
