#include "patina/learners/replay/projection_learner.h"

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void ProjectionOptions::bind(Fields& f) {
  f("memory_per_task", memory_per_task, "Samples kept of every task.", at_least(1));
}

ProjectionLearner::ProjectionLearner(Setup setup, const ProjectionOptions& options,
                                     SampleMemory::Policy policy)
    : NetworkLearner(setup), options_(options), policy_(policy), samples_(setup.loader()) {}

void ProjectionLearner::begin_task(const Task& task, Trainer& trainer) {
  NetworkLearner::begin_task(task, trainer);
  memories_.emplace_back(options_.memory_per_task, policy_,
                         seeds()("memory", uint64_t(memories_.size())));
}

void ProjectionLearner::remember(const Batch& batch) {
  memories_.back().offer(batch);
}

std::vector<const SampleMemory*> ProjectionLearner::past() const {
  std::vector<const SampleMemory*> list;
  for (size_t i = 0; i + 1 < memories_.size(); ++i) list.push_back(&memories_[i]);
  return list;
}

Tensor ProjectionLearner::gradient_on(const SampleHandles& samples, const Step& step,
                                      uint64_t draw) {
  const Batch batch = samples_(samples, seeds()("replay augment", step.number()).at(draw));
  return gradients_of(loss(batch, step), tensors_of(trainable()));
}

void ProjectionLearner::after_backward(const Step& step) {
  if (memories_.size() < 2) return;
  const auto tensors = tensors_of(trainable());
  set_gradients(tensors, projected(flat_gradients(tensors), step));
}

void ProjectionLearner::state(Archive& a) {
  NetworkLearner::state(a);
  int64_t tasks = int64_t(memories_.size());
  a("tasks", tasks);
  while (int64_t(memories_.size()) < tasks)
    memories_.emplace_back(options_.memory_per_task, policy_,
                           seeds()("memory", uint64_t(memories_.size())));
  for (size_t i = 0; i < memories_.size(); ++i) a(fmt::format("memory_{}", i), memories_[i]);
}

}  // namespace patina
