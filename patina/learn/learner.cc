#include "patina/learn/learner.h"

#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina {

const char* network_name(Network network) {
  constexpr const char* kNames[] = {"any", "transformer", "clip", "mlp"};
  return kNames[size_t(network)];
}

const SampleLoader& Setup::loader() const {
  if (!samples)
    fail(ErrorKind::usage, "this learner replays earlier samples, and nothing here can load them");
  return *samples;
}

void Learner::begin_task(const Task& task, Trainer&) {
  if (!task.fresh.empty()) begin_classes(int64_t(task.fresh.size()));
}

void Learner::forget(int64_t) {
  fail(ErrorKind::usage,
       "what this method learned of a class is part of everything it knows, and cannot be taken "
       "out");
}

Json Learner::diagnostics() const {
  return nullptr;
}

void Learner::observe(const Batch& batch, Trainer& trainer) {
  for (int64_t i = 0; i < trainer.options().updates_per_batch; ++i) trainer.descend(*this, batch);
  remember(batch);
}

void Learner::fit(const Task& task, Trainer& trainer) {
  trainer.epochs(*this, task);
}

void StreamingLearner::fit(const Task& task, Trainer& trainer) {
  trainer.each_batch(*task.train, fmt::format("task {}: learning", task.index + 1),
                     [&](const Batch& batch) { observe(batch, trainer); });
}

Tensor ClosedFormLearner::loss(const Batch&, const Step&) {
  PATINA_CHECK(false, "a closed form has no loss");
  return {};
}

}  // namespace patina
