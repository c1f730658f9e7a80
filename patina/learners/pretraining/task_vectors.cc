#include "patina/learners/pretraining/task_vectors.h"

#include <fmt/format.h>

#include "patina/ops.h"

namespace patina {

void TaskVectorOptions::bind(Fields& f) {
  f("scale", scale, "Lambda: factor of the merged task vectors.", above(0));
  f("start", start,
    "Where a round begins: at the pre-trained weights, so that rounds could be trained at the same "
    "time, or at the merged ones.",
    {"pretrained", "merged"});
}

TaskVectorLearner::TaskVectorLearner(Setup setup, const TaskVectorOptions& options,
                                     const RoundOptions& rounds)
    : RoundLearner(setup, {.tune = "full"}, rounds),
      options_(options),
      pretrained_(copied(setup.backbone)) {}

void TaskVectorLearner::begin_task(const Task& task, Trainer& trainer) {
  RoundLearner::begin_task(task, trainer);
  if (options_.start == "pretrained") assign(nn::tensors(backbone()), pretrained_);
}

void TaskVectorLearner::end_task(const Task&, Trainer&) {
  vectors_.push_back(added(weights_of(backbone()), pretrained_, -1));
  assign(nn::tensors(backbone()), added(pretrained_, merged(vectors_), options_.scale));
}

void TaskVectorLearner::state(Archive& a) {
  RoundLearner::state(a);
  auto count = int64_t(vectors_.size());
  a("vectors", count);
  if (a.loading()) vectors_.assign(size_t(count), {});
  for (size_t i = 0; i < vectors_.size(); ++i) a(fmt::format("vector_{}", i), vectors_[i]);
}

}  // namespace patina
