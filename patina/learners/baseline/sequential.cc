#include "patina/learners/baseline/sequential.h"

#include <algorithm>
#include <cmath>

#include "patina/algebra/prototypes.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {
constexpr double kHeadDeviation = 0.02;
}  // namespace

SequentialLearner::SequentialLearner(Setup setup, FreshHead fresh)
    : backbone_(setup.backbone), seeds_(setup.seeds), fresh_(fresh) {
  nn::freeze(backbone_, false);
}

void SequentialLearner::begin_task(const Task& task, Trainer& trainer) {
  heads_.freeze();
  Random random = seeds_("head", uint64_t(task.index));
  heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place(),
             kHeadDeviation);
  if (fresh_ == FreshHead::drawn) return;
  NoGrad no_grad;
  const Tensor means = class_means(features(*task.train, trainer), task.fresh);
  const double scale = 1 / std::sqrt(double(backbone_.width()));
  heads_.newest().weight.copy_(means * scale);
  heads_.newest().bias.copy_(means.square().sum(1) * (-0.5 * scale));
}

Tensor SequentialLearner::fresh_scores(const Batch& batch) const {
  return heads_.newest()(features(batch.input));
}

Tensor SequentialLearner::fresh_targets(const Batch& batch) const {
  return batch.target - heads_.known();
}

Tensor SequentialLearner::loss(const Batch& batch, const Step&) {
  return nn::cross_entropy(fresh_scores(batch), fresh_targets(batch));
}

Tensor SequentialLearner::scores(const Question& asked) const {
  NoGrad no_grad;
  return heads_(features(asked.input));
}

std::vector<ParamGroup> SequentialLearner::trainable() {
  return {trainable_group(backbone_), trainable_group(heads_.newest())};
}

std::optional<AsNetwork> SequentialLearner::as_network() const {
  const bool biased = std::ranges::all_of(heads_.biases, &Tensor::defined);
  return AsNetwork{.trains_weights = true,
                   .weight = at::cat(heads_.weights),
                   .bias = biased ? at::cat(heads_.biases) : Tensor()};
}

void SequentialLearner::state(Archive& a) {
  a("backbone", backbone_);
  a("heads", heads_);
}

}  // namespace patina
