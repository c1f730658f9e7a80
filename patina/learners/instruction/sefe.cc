// SEFE (Chen et al., "SEFE: Superficial and Essential Forgetting Eliminator for Multimodal
// Continual Instruction Tuning", ICML 2025), of which this is RegLoRA: the elements of a weight
// that earlier tasks changed most are kept from changing again.
#include <algorithm>

#include "patina/learners/instruction/lora_per_task.h"
#include "patina/ops.h"

namespace patina {

class Sefe : public SummedLoras {
 public:
  struct Options : LearnerOptions {
    double strength = 2500, part = 0.02;
    adapt::LoraOptions lora{.rank = 128, .alpha = 256, .parts = "qkv", .output = true, .mlp = true};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      f("strength", strength, "The paper's λ.", at_least(0));
      f("part", part, "The part of a change's elements, the largest, that later tasks keep.",
        {.low = 0, .high = 1, .low_open = true});
      lora.bind(f);
      loss.bind(f);
    }
  };

  Sefe(Setup setup, const Options& options)
      : SummedLoras(setup, options.lora, options.loss),
        options_(options),
        kept_(lora()->updates().size()) {}

  // L + λ Σ over layers of the mean of |B A| over the elements kept. The penalty is the step's, not
  // a part's.
  Tensor loss(const Batch& batch, const Step& step) override {
    Tensor loss = AnswerLearner::loss(batch, step);
    if (step.part > 0 || options_.strength == 0) return loss;
    const auto factors = pairs();
    for (size_t i = 0; i < factors.size(); ++i) {
      if (!kept_[i].defined()) continue;
      const Tensor change = factors[i].second.matmul(factors[i].first).flatten();
      loss = loss + options_.strength * change.index_select(0, kept_[i]).abs().mean();
    }
    return loss;
  }

  // An element that several tasks changed counts once.
  void end_task(const Task&, Trainer&) override {
    NoGrad no_grad;
    const auto factors = pairs();
    for (size_t i = 0; i < factors.size(); ++i) {
      const Tensor change = factors[i].second.matmul(factors[i].first).flatten().abs();
      const auto count = std::max<int64_t>(1, int64_t(options_.part * double(change.size(0))));
      const Tensor fresh = std::get<1>(change.topk(count));
      Tensor marked = at::zeros({change.size(0)}, fresh.options());
      marked.index_fill_(0, fresh, 1);
      if (kept_[i].defined()) marked.index_fill_(0, kept_[i], 1);
      kept_[i] = marked.nonzero().squeeze(1);
    }
  }

  void state(Archive& a) override {
    SummedLoras::state(a);
    for (size_t i = 0; i < kept_.size(); ++i) a(fmt::format("kept_{}", i), kept_[i]);
  }

 private:
  // A and B of every layer, as they learn.
  std::vector<std::pair<Tensor, Tensor>> pairs() {
    std::vector<std::pair<Tensor, Tensor>> all;
    const auto tensors = nn::tensors(*lora());
    for (size_t i = 0; i + 1 < tensors.size(); i += 2)
      all.push_back({tensors[i].tensor, tensors[i + 1].tensor});
    return all;
  }

  Options options_;
  std::vector<Tensor> kept_;  // of every layer: positions in the flat weight, ascending
};

LearnerRow sefe_learner() {
  return learner_row<Sefe>(
      {.paper = "Chen et al., ICML 2025",
       .about = "Gives every task a LoRA and keeps the elements of weights that earlier tasks "
                "changed most from changing again; the sum answers.",
       .stores = "A LoRA a task, and positions in every weight.",
       .differs = "An element that several tasks changed counts once; in the authors' code once a "
                  "task. Each task's change stays beside the weights instead of being merged. "
                  "Answers are not rewritten into other styles, which is a matter of the data.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 2e-4, .schedule = "cosine"}}});
}

}  // namespace patina
