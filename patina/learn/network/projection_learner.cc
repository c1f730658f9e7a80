#include "patina/learn/network/projection_learner.h"

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void ProjectionOptions::bind(Fields& f) {
  f("memory_per_task", memory_per_task, "Samples kept of every task.", at_least(1));
}

ProjectionLearner::ProjectionLearner(Setup setup, const ProjectionOptions& options,
                                     SampleMemory::Policy policy)
    : NetworkLearner(setup), options_(options), policy_(policy), samples_(*setup.samples) {}

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

Tensor ProjectionLearner::gradient_on(std::vector<int64_t> positions, std::vector<int64_t> targets,
                                      uint64_t draw) {
  const Batch batch = samples_(std::move(positions), std::move(targets),
                               seeds()("replay augment", uint64_t(steps_)).at(draw));
  return gradients_of(loss(batch), tensors_of(trainable()));
}

void ProjectionLearner::after_backward() {
  if (memories_.size() < 2) return;
  const auto tensors = tensors_of(trainable());
  set_gradients(tensors, projected(flat_gradients(tensors)));
}

void ProjectionLearner::state(Archive& a) {
  NetworkLearner::state(a);
  a("steps", steps_);
  int64_t tasks = int64_t(memories_.size());
  a("tasks", tasks);
  while (int64_t(memories_.size()) < tasks)
    memories_.emplace_back(options_.memory_per_task, policy_,
                           seeds()("memory", uint64_t(memories_.size())));
  for (size_t i = 0; i < memories_.size(); ++i) a(fmt::format("memory_{}", i), memories_[i]);
}

}  // namespace patina
