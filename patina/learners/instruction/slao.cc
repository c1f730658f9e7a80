// SLAO, "Merge before Forget: A Single LoRA Continual Learning via Continual Merging" (arXiv
// 2512.23017, 2025): one LoRA learns each task from an orthogonal start and is merged into one that
// answers, so that neither memory nor answers depend on the number of tasks.
#include <cmath>

#include "patina/learners/instruction/answer_learner.h"
#include "patina/ops.h"

namespace patina {

namespace {

// The tensors of a LoRA with that ending, ".a" or ".b", in order.
std::vector<Tensor> ending(adapt::Lora& lora, std::string_view end) {
  std::vector<Tensor> found;
  for (const auto& item : nn::tensors(lora))
    if (item.name.ends_with(end)) found.push_back(item.tensor);
  return found;
}

// (Q sign(diag R))ᵀ of Aᵀ = Q R: the rows of A made orthonormal, by Gram and Schmidt in double, in
// which R's diagonal is positive. [r,D]
Tensor orthonormal(const Tensor& a) {
  Tensor rows = a.detach().to(at::kDouble).clone();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    Tensor row = rows[i];
    // Twice is enough (Kahan): the first pass leaves what rounding left.
    for (int pass = 0; pass < 2 && i > 0; ++pass) {
      const Tensor before = rows.slice(0, 0, i);
      row.sub_(before.t().matmul(before.matmul(row)));
    }
    row.div_(row.norm().clamp_min(1e-12));
  }
  return rows.to(a.dtype());
}

}  // namespace

class Slao : public AnswerLearner {
 public:
  struct Options : LearnerOptions {
    adapt::LoraOptions lora{.rank = 8, .alpha = 16, .parts = "qv"};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      lora.bind(f);
      loss.bind(f);
    }
  };

  Slao(Setup setup, const Options& options)
      : AnswerLearner(setup, {.lora = options.lora}, options.loss), merged_(nn::copy_of(*lora())) {
    nn::freeze(*merged_);
  }

  // The fine-tuned B goes on as it is; A's rows become orthonormal.
  void begin_task(const Task& task, Trainer&) override {
    learning_ = true;
    if (task.index == 0) return;
    NoGrad no_grad;
    for (Tensor& a : ending(*lora(), ".a")) a.copy_(orthonormal(a));
  }

  // A <- A_i; B <- B + (B_i - B) / √i, for the i-th task.
  void end_task(const Task& task, Trainer&) override {
    NoGrad no_grad;
    const auto merge = [&](std::string_view end, double rate) {
      const auto learned = ending(*lora(), end);
      auto kept = ending(*merged_, end);
      for (size_t i = 0; i < kept.size(); ++i)
        kept[i].copy_(at::lerp(kept[i], learned[i].detach(), rate));
    };
    merge(".a", 1);
    merge(".b", 1 / std::sqrt(double(task.index + 1)));
    learning_ = false;
  }

  // While it learns, the network has the task's own LoRA.
  nn::Adaptations adaptations(const Input&) const override {
    return {learning_ ? lora() : merged_.get()};
  }

  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.lora = learning_ ? lora() : merged_.get()};
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    a("merged", *merged_);
    a("learning", learning_);
  }

 private:
  std::unique_ptr<adapt::Lora> merged_;
  bool learning_ = false;
};

LearnerRow slao_learner() {
  return learner_row<Slao>(
      {.paper = "arXiv 2512.23017, 2025",
       .about = "Merges each task's LoRA into a single one, ever more slowly; the next task begins "
                "with its directions made orthogonal.",
       .stores = "Two LoRAs, however many tasks.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 8,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "constant"}}});
}

}  // namespace patina
