// Heads alone: one linear head a task on the features of the frozen network, trained exactly as the
// methods that adapt it by prompts train theirs. What such a method reaches beyond it is due to its
// prompts; what it does not, to the pre-trained features.
#include "patina/learners/prompt/prompt_learner.h"

namespace patina {

class HeadsAlone : public PromptLearner {
 public:
  struct Options : LearnerOptions {};

  HeadsAlone(Setup setup, const Options&) : PromptLearner(setup, setup.backbone.width()) {}

 private:
  Prompted prompted(const Input& input, bool) const override {
    return {backbone().features(input), {}};
  }

  std::vector<Tensor> prompts() override { return {}; }
};

LearnerRow heads_learner() {
  // Trained as DualPrompt is.
  return learner_row<HeadsAlone>(
      {.paper = "control of prompt methods",
       .about =
           "Trains a linear head a task on the frozen network: prompt methods without prompts.",
       .stores = "A head a task.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = {
           .epochs = 5,
           .batch_size = 192,
           .optimizer = {
               .optimizer = "adam", .lr = 0.0225, .schedule = "constant", .clip_norm = 1}}});
}

}  // namespace patina
