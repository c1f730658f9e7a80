#include "patina/learn/sequential.h"

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

SequentialLearner::SequentialLearner(Setup setup, double deviation)
    : backbone_(setup.backbone), seeds_(setup.seeds), deviation_(deviation) {
  nn::freeze(backbone_, false);
}

void SequentialLearner::begin_task(const Task& task, Trainer&) {
  heads_.freeze();
  Random random = seeds_("head", uint64_t(task.index));
  heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, deviation_);
}

Tensor SequentialLearner::fresh_scores(const Batch& batch) const {
  return heads_.of_task(heads_.tasks() - 1, features(batch.input));
}

Tensor SequentialLearner::fresh_targets(const Batch& batch) const {
  return batch.target - (heads_.classes() - heads_.sizes().back());
}

Tensor SequentialLearner::loss(const Batch& batch) {
  return nn::cross_entropy(fresh_scores(batch), fresh_targets(batch));
}

Tensor SequentialLearner::scores(const Batch& batch) {
  NoGrad no_grad;
  return heads_(features(batch.input));
}

std::vector<ParamGroup> SequentialLearner::trainable() {
  return {trainable_group(backbone_), {.tensors = heads_.tensors_of(heads_.tasks() - 1)}};
}

void SequentialLearner::state(Archive& a) {
  a("backbone", backbone_);
  a("heads", heads_);
}

}  // namespace patina
