// KeepLoRA ("KeepLoRA: Continual Learning with Residual Gradient Adaptation", arXiv 2601.19659,
// 2026): each task's LoRA reads the main directions of the loss's gradient that are outside both
// the pre-trained weight's main directions and the inputs of earlier tasks, and only its B learns.
#include "patina/learners/instruction/confined_lora.h"
#include "patina/learners/regularization/fisher.h"

namespace patina {

class KeepLora : public ConfinedLora {
 public:
  struct Options : LearnerOptions {
    double weight_energy = 0.2, input_energy = 0.99;
    adapt::LoraOptions lora{.rank = 16, .alpha = 32, .parts = "qkv", .output = true};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      const Range part{.low = 0, .high = 1, .low_open = true};
      f("weight_energy", weight_energy,
        "The part of a pre-trained weight's Σσ² whose input directions no task may change.", part);
      f("input_energy", input_energy,
        "The part of a task's inputs (of the squares of their second moment) that later tasks may "
        "not change.",
        part);
      lora.bind(f);
      loss.bind(f);
    }
  };

  // Before a state is loaded, the weights are the pre-trained ones.
  KeepLora(Setup setup, const Options& options)
      : ConfinedLora(setup, options.lora, options.loss),
        options_(options),
        directions_(backbone(), backbone().tower().tower, updates()) {
    bases() = directions_.main(options_.weight_energy);
  }

 protected:
  // A = the r leading right singular vectors of G - G M Mᵀ, with G [out,in] the mean over samples
  // of d loss / d W in the present model.
  std::vector<Tensor> directions(const Task& task, Trainer& trainer) override {
    auto weights = directions_.weights();
    for (auto& weight : weights) weight.tensor.requires_grad_(true);
    const Weights gradients = mean_of_gradients(
        weights, *task.train, trainer, seeds()("gradient", uint64_t(task.index)),
        /*by_batch=*/false, "gradient of weights",
        [&](const Batch& batch) { return answer_losses(answers(batch.input)).sum(); },
        [](const Tensor& sum, const Tensor& g) { sum.add_(g); });
    for (auto& weight : weights) weight.tensor.requires_grad_(false);
    return directions_.of(gradients, bases(), options_.lora.rank);
  }

  double energy(const Task&) const override { return options_.input_energy; }

 private:
  Options options_;
  GradientDirections directions_;
};

LearnerRow keeplora_learner() {
  return learner_row<KeepLora>(
      {.paper = "arXiv 2601.19659, 2026",
       .about = "Gives every task a LoRA that reads directions of the gradient outside the "
                "pre-trained weight's main ones and outside earlier tasks' inputs; their sum "
                "answers.",
       .stores = "A LoRA a task, and the subspaces that stay.",
       .differs =
           "B begins at zero; the authors begin with the gradient's and take it from the "
           "weight, which is the same function. Each task's change stays beside the weights "
           "instead of being merged. Input directions are those of inputs: the authors' code "
           "for CLIP takes a weight's output directions.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       // The paper's 1e-3 is for CLIP. A has rows of length 1, so two such steps upset a decoder.
       .training = {
           .epochs = 3,
           .batch_size = 16,
           .optimizer = {
               .optimizer = "adamw", .lr = 1e-4, .weight_decay = 0.01, .schedule = "cosine"}}});
}

}  // namespace patina
