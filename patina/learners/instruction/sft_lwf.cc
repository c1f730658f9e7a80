// Supervised fine-tuning with learning without forgetting (Li and Hoiem, ECCV 2016): on the new
// task's answers, what the model before the task said of every token is distilled.
#include "patina/learners/instruction/answer_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class SftLwf : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerLearnerOptions {
    double temperature = 2, strength = 1;
    void bind(Fields& f) override {
      f("temperature", temperature, "Of what is repeated (T).", above(0));
      f("strength", strength, "Weight of repeating (λ_o).", at_least(0));
      AnswerLearnerOptions::bind(f);
    }
  };

  SftLwf(Setup setup, const Options& options) : AnswerLearner(setup, options), options_(options) {}

  // Before the first task, the model is the pre-trained one.
  void begin_task(const Task&, Trainer&) override { keep(); }

  // Σ_t (-log p(y_t) + λ_o T² KL(p_before ‖ p)) / tokens, the divergence over all words at
  // temperature T.
  Tensor loss(const Batch& batch, const Step& step) override {
    if (options_.strength == 0) return AnswerLearner::loss(batch, step);
    const AnswerScores now = answers(batch.input);
    const Tensor mean =
        nn::distillation(now.scores.to(at::kFloat), before(batch.input), options_.temperature);
    return (sum_of_losses(batch.input, now) +
            mean * (options_.strength * double(now.word.size(0)))) /
           double(step.tokens);
  }

  void end_task(const Task&, Trainer&) override { release(); }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    bool in_task = network_ || lora_;
    a("in_task", in_task);
    if (!in_task) return release();
    if (a.loading()) keep();
    if (lora_) a("before", *lora_);
    if (network_) a("before", *network_);
  }

 private:
  void keep() {
    if (lora()) {
      lora_ = nn::copy_of(*lora());
      nn::freeze(*lora_);
    } else {
      network_ = backbone().clone();
      nn::freeze(*network_);
    }
  }
  void release() {
    network_.reset();
    lora_.reset();
  }
  Tensor before(const Input& input) const {
    NoGrad no_grad;
    const auto answers = network_ ? answer_scores(*network_, input, {})
                                  : answer_scores(backbone(), input, {lora_.get()});
    return answers.scores.to(at::kFloat);
  }

  Options options_;
  // What learns as it was before the task, within one.
  std::unique_ptr<adapt::Lora> lora_;
  std::unique_ptr<Backbone> network_;
};

LearnerRow sft_lwf_learner() {
  return learner_row<SftLwf>(
      {.paper = "Li and Hoiem, ECCV 2016",
       .about =
           "Repeats on each task's answers what the model before the task said of every token.",
       .stores = "One LoRA, or the network; within a task a copy of it.",
       .differs =
           "It repeats from the first task on, where it holds the model near the pre-trained "
           "one.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
