// SLCA (Zhang et al., ICCV 2023): the whole network is fine-tuned with a learning rate a hundred
// times smaller than that of the heads, each task's head among its own classes. Since heads of
// different tasks were never trained together, all are then aligned on features sampled from one
// Gaussian per class, with scores normalised per task. The aligned heads are used for scoring; the
// next task continues with the heads before alignment.
#include "patina/learners/representation/slca.h"

#include <fmt/format.h>

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void SlcaOptions::bind(Fields& f) {
  f("backbone_lr_factor", backbone_lr_factor, "Learning rate of the backbone over the heads'.",
    above(0));
  f("temperature", temperature,
    "Temperature of the scores that are normalised by task during alignment; 0: scores as they "
    "are.",
    at_least(0));
  f.section("alignment", alignment, "Of the heads, on features drawn from class Gaussians.");
}

TrainingOptions slca_training() {
  return {.epochs = 20,
          .batch_size = 128,
          .optimizer = {.lr = 0.01, .weight_decay = 5e-4, .schedule = "step", .milestones = {18}}};
}

Slca::Slca(Setup setup, const SlcaOptions& options)
    : SequentialLearner(setup, FreshHead::drawn), options_(options) {}

void Slca::begin_task(const Task& task, Trainer& trainer) {
  heads() = std::exchange(trained_, {});
  SequentialLearner::begin_task(task, trainer);
}

std::vector<ParamGroup> Slca::trainable() {
  auto groups = SequentialLearner::trainable();
  groups.front().lr_factor = options_.backbone_lr_factor;
  return groups;
}

void Slca::end_task(const Task& task, Trainer& trainer) {
  trained_ = heads().copy();
  heads().freeze(false);
  consolidate(task, trainer);
  add_gaussians(gaussians_, features(*task.train, trainer), task.fresh,
                options_.alignment.shrinkage);
  if (task.index > 0) align_heads(seeds()("alignment", uint64_t(task.index)));
}

void Slca::align_heads(Random random) {
  align_on(random, drift_scales(heads().sizes()),
           [](const Tensor& drawn, const Tensor&) { return drawn; });
}

void Slca::align_on(
    Random random, std::span<const double> scales,
    const std::function<Tensor(const Tensor& drawn, const Tensor& targets)>& change) {
  const auto sizes = heads().sizes();
  align(options_.alignment, gaussians_, scales, {{.tensors = heads().tensors()}}, random,
        [&](const Tensor& drawn, const Tensor& targets) {
          Tensor scores = heads()(change(drawn, targets));
          if (options_.temperature > 0)
            scores = normalized_by_task(scores, sizes, options_.temperature);
          return nn::cross_entropy(scores, targets);
        });
}

std::vector<nn::NamedTensor> Slca::network() {
  auto list = nn::tensors(backbone());
  for (size_t t = 0; t < heads().tasks(); ++t)
    for (const auto& tensor : heads().tensors_of(t))
      list.push_back({fmt::format("heads.{}", t), tensor});
  return list;
}

void Slca::state(Archive& a) {
  SequentialLearner::state(a);
  a("gaussians", gaussians_);
  a("trained", trained_);
}

LearnerRow slca_learner() {
  return learner_row<Slca>(
      {.paper = "Zhang et al., ICCV 2023",
       .about =
           "Fine-tunes the network slowly and aligns the heads of all tasks on class Gaussians.",
       .stores = "The network; the heads, as trained and as aligned; a Gaussian a class.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = slca_training()});
}

}  // namespace patina
