// Supervised fine-tuning with elastic weight consolidation (Kirkpatrick et al., PNAS 2017): a
// quadratic penalty holds the weights that learn, those of a LoRA or of the network, where earlier
// tasks left them, as hard as their Fisher information. A baseline of continual instruction tuning
// (Wang et al., "TRACE", 2023).
#include "patina/learners/instruction/answer_learner.h"
#include "patina/learners/regularization/elastic.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/ops.h"

namespace patina {

class SftEwc : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerLearnerOptions, ElasticOptions {
    Options() { strength = 400; }
    void bind(Fields& f) override {
      ElasticOptions::bind(f);
      AnswerLearnerOptions::bind(f);
    }
  };

  SftEwc(Setup setup, const Options& options) : AnswerLearner(setup, options), penalty_(options) {}

  void after_backward(const Step& step) override { penalty_.after_backward(learned(), step); }
  void after_step(const Batch&, const Step& step) override { penalty_.after_step(learned(), step); }

  // F: the mean over samples of (d log p(answer) / dθ)², with log p(answer) the sum over its
  // tokens.
  void end_task(const Task& task, Trainer& trainer) override {
    Random random = seeds()("fisher", uint64_t(task.index));
    const auto of_answer = [&](const Batch& batch) {
      return answer_losses(answers(batch.input)).sum();
    };
    const Dataset data = penalty_.samples(*task.train, random);
    penalty_.add({.importance = diagonal_fisher({}, learned(), data, trainer, random, of_answer),
                  .place = copied(learned())});
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    a("anchor", penalty_);
  }

 private:
  ElasticPenalty penalty_;
};

LearnerRow sft_ewc_learner() {
  return learner_row<SftEwc>(
      {.paper = "Kirkpatrick et al., PNAS 2017",
       .about = "Holds each weight of the LoRA, or of the network, where earlier tasks left it, as "
                "hard as its Fisher information.",
       .stores = "One LoRA, or the network; a copy of it and its information.",
       .differs = "The information is that of single samples, with the probability of the whole "
                  "answer, at the training data's answers; the strength is that of TRACE.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
