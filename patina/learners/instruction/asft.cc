// ASFT, anchored supervised fine-tuning (Zhu et al., "Anchored Supervised Fine-Tuning", 2025): DFT
// with the divergence from the base model as a penalty. It is `sft` with loss = "asft".
#include "patina/learners/instruction/sft.h"

namespace patina {

LearnerRow asft_learner() {
  return sft_row(
      "asft",
      {.paper = "Zhu et al., 2025",
       .about = "Fine-tunes as dft and holds the model near its base. The wrong tool to replace "
                "facts that "
                "the model knows.",
       .stores = "One LoRA, or the network and a copy of the base.",
       .differs =
           "The weighted losses are divided by the tokens of the whole batch; in LLaMA-Factory the "
           "loss depends on accumulation."});
}

}  // namespace patina
