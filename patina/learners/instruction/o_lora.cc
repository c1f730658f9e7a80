// O-LoRA (Wang et al., "Orthogonal Subspace Learning for Language Model Continual Learning",
// Findings of EMNLP 2023): every task has a LoRA of its own, and a penalty keeps the rows of its A
// away from those of all earlier ones. Their sum answers, so no task needs to be known.
#include "patina/learners/instruction/lora_per_task.h"
#include "patina/ops.h"

namespace patina {

class OLora : public SummedLoras {
 public:
  struct Options : LearnerOptions {
    double orthogonality = 0.5;
    double magnitude = 0;
    adapt::LoraOptions lora{.rank = 8, .alpha = 32, .parts = "qv"};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      f("orthogonality", orthogonality,
        "Lambda 1: weight of the sum of |A_i A_tᵀ| over earlier tasks and layers.", at_least(0));
      f("magnitude", magnitude, "Lambda 2: weight of the sum of the new tensors' norms.",
        at_least(0));
      lora.bind(f);
      loss.bind(f);
    }
  };

  OLora(Setup setup, const Options& options)
      : SummedLoras(setup, options.lora, options.loss), options_(options) {}

  // The penalties are the step's, not a part's.
  Tensor loss(const Batch& batch, const Step& step) override {
    Tensor loss = AnswerLearner::loss(batch, step);
    if (step.part > 0) return loss;
    const auto now = nn::tensors(*lora());
    for (size_t i = 0; i < now.size(); ++i) {
      if (options_.magnitude > 0) loss = loss + options_.magnitude * now[i].tensor.norm();
      if (options_.orthogonality == 0 || !now[i].name.ends_with(".a")) continue;
      for (const auto& task : earlier()) {
        const Tensor before = nn::tensors(*task)[i].tensor;
        loss = loss + options_.orthogonality * before.matmul(now[i].tensor.t()).abs().sum();
      }
    }
    return loss;
  }

 private:
  Options options_;
};

LearnerRow o_lora_learner() {
  return learner_row<OLora>(
      {.paper = "Wang et al., Findings of EMNLP 2023",
       .about =
           "Gives every task a LoRA whose input directions are kept orthogonal to those of all "
           "earlier tasks, and answers with the sum.",
       .stores = "A LoRA a task.",
       .differs = "The penalty is the sum of absolute products, as in the authors' code; the paper "
                  "writes their squares.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
