#include "patina/learn/slow_learner.h"

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void SlowLearnerOptions::bind(Fields& f) {
  f("backbone_lr_factor", backbone_lr_factor, "Learning rate of the backbone over the heads'.",
    above(0));
  f("temperature", temperature,
    "Temperature of the scores that are normalised by task during alignment; 0: scores as they "
    "are.",
    at_least(0));
  f.section("alignment", alignment, "Of the heads, on features drawn from class Gaussians.");
}

TrainingOptions slow_learner_training() {
  return {.epochs = 20,
          .batch_size = 128,
          .optimizer = {.lr = 0.01, .weight_decay = 5e-4, .schedule = "step", .milestones = {18}}};
}

SlowLearner::SlowLearner(Setup setup, const SlowLearnerOptions& options)
    : SequentialLearner(setup, FreshHead::drawn), options_(options) {}

void SlowLearner::begin_task(const Task& task, Trainer& trainer) {
  heads() = std::exchange(trained_, {});
  SequentialLearner::begin_task(task, trainer);
}

std::vector<ParamGroup> SlowLearner::trainable() {
  auto groups = SequentialLearner::trainable();
  groups.front().lr_factor = options_.backbone_lr_factor;
  return groups;
}

void SlowLearner::end_task(const Task& task, Trainer& trainer) {
  trained_ = heads().copy();
  heads().freeze(false);
  consolidate(task, trainer);
  add_gaussians(gaussians_, features(*task.train, trainer), task.fresh,
                options_.alignment.shrinkage);
  if (task.index > 0) align_heads(seeds()("alignment", uint64_t(task.index)));
}

void SlowLearner::align_heads(Random random) {
  align_on(random, drift_scales(heads().sizes()),
           [](const Tensor& drawn, const Tensor&) { return drawn; });
}

void SlowLearner::align_on(
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

std::vector<nn::NamedTensor> SlowLearner::network() {
  auto list = nn::tensors(backbone());
  for (size_t t = 0; t < heads().tasks(); ++t)
    for (const auto& tensor : heads().tensors_of(t))
      list.push_back({fmt::format("heads.{}", t), tensor});
  return list;
}

void SlowLearner::state(Archive& a) {
  SequentialLearner::state(a);
  a("gaussians", gaussians_);
  a("trained", trained_);
}

void AveragedLearner::end_task(const Task& task, Trainer& trainer) {
  SlowLearner::end_task(task, trainer);
  previous_ = copied(network());
}

void AveragedLearner::consolidate(const Task& task, Trainer& trainer) {
  auto known = network();
  known.resize(previous_.size());
  assign(known, averaged(previous_, weights_of(known), task, trainer));
}

void AveragedLearner::state(Archive& a) {
  SlowLearner::state(a);
  a("previous", previous_);
}

}  // namespace patina
