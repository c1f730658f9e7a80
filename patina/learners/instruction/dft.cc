// DFT, dynamic fine-tuning (Wu et al., "On the Generalization of SFT: A Reinforcement Learning
// Perspective with Reward Rectification", 2025): supervised fine-tuning in which each token's loss
// is weighted by the token's probability. It is `sft` with loss = "dft".
#include "patina/learners/instruction/sft.h"

namespace patina {

LearnerRow dft_learner() {
  return sft_row(
      "dft",
      {.paper = "Wu et al., 2025",
       .about = "Fine-tunes with each token's loss weighted by its probability. The wrong tool to "
                "replace "
                "facts that the model knows.",
       .stores = "One LoRA, or the network.",
       .differs =
           "The weighted losses are divided by the tokens of the whole batch, so that accumulation "
           "changes nothing."});
}

}  // namespace patina
