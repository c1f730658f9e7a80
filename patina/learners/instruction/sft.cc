// Supervised fine-tuning on one task after the other, without any measure against forgetting: the
// lower bound of continual instruction tuning (Wang et al., "TRACE", 2023), and continual
// pre-training where the samples are plain text.
#include "patina/learners/instruction/sft.h"

namespace patina {

LearnerRow sft_row(const std::string& loss, LearnerRow row) {
  row.needs = {.boundaries = true, .many_passes = true};
  row.network = Network::decoder;
  row.training = {.epochs = 3,
                  .batch_size = 16,
                  .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}};
  row = learner_row<Sft>(std::move(row));
  row.options = [loss] {
    auto options = std::make_unique<Sft::Options>();
    options->loss.loss = loss;
    return options;
  };
  return row;
}

LearnerRow sft_learner() {
  return sft_row("mean",
                 {.paper = "lower bound",
                  .about = "Trains the network, or a LoRA of it, on each task's answers in turn "
                           "and does nothing about forgetting.",
                  .stores = "One LoRA, or the network."});
}

}  // namespace patina
