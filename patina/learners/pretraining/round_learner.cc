#include "patina/learners/pretraining/round_learner.h"

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"

namespace patina {

void RoundOptions::bind(Fields& f) {
  f("keep_optimizer", keep_optimizer,
    "Whether the optimizer's moments go on from round to round; otherwise each round begins "
    "without.");
}

TrainingOptions round_training(double lr, int64_t batch_size) {
  return {.epochs = 1,
          .batch_size = batch_size,
          .optimizer = {.optimizer = "adamw",
                        .lr = lr,
                        .schedule = "rewarm_cosine",
                        .warmup_epochs = 0.01,
                        .clip_norm = 1}};
}

void RoundLearner::begin_task(const Task&, Trainer&) {
  if (trunk_.empty()) return;
  NoGrad no_grad;
  const auto trained = tensors_of(trainable());
  for (size_t i = 0; i < trained.size(); ++i) trained[i].detach().copy_(trunk_[i]);
  trunk_.clear();
}

void RoundLearner::note_annealing(const Step& step) {
  if (!step.trainer || !trunk_.empty()) return;
  const double epoch = double(step.epoch) + double(step.step) / double(step.steps);
  if (anneals(step.trainer->options().optimizer, epoch, step.epochs))
    for (const auto& tensor : tensors_of(trainable())) trunk_.push_back(tensor.detach().clone());
}

Tensor RoundLearner::loss(const Batch& batch, const Step& step) {
  note_annealing(step);
  return text_loss(batch, step);
}

void RoundLearner::fit(const Task& task, Trainer& trainer) {
  if (!options_.keep_optimizer) return trainer.epochs(*this, task);
  if (trainer.options().optimizer.anneal_epochs > 0)
    fail(ErrorKind::recipe,
         "learner.keep_optimizer does not go with training.anneal_epochs: the moments would be "
         "those of the annealed branch; set one of the two");
  trainer.epochs_of_stream(*this, task);
}

void RoundLearner::state(Archive& a) {
  AnswerLearner::state(a);
  round_state(a);
}

}  // namespace patina
