#include "patina/learners/replay/replay_learner.h"

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void ReplayOptions::bind(Fields& f) {
  f("memory", memory, "Samples that may be kept.", at_least(1));
  f("policy", policy,
    "How a full memory makes room: reservoir (every sample of the stream alike), balanced (the "
    "largest class gives way), greedy (only classes below their share are taken), ring (the oldest "
    "gives way).",
    memory_policies());
  f("replay_batch", replay_batch, "Samples of the memory in a step; 0: as many as the batch has.",
    at_least(0));
}

ReplayLearner::ReplayLearner(Setup setup, const ReplayOptions& options)
    : NetworkLearner(setup),
      options_(options),
      samples_(setup.loader()),
      memory_(options.memory, memory_policy(options.policy), setup.seeds("memory")) {}

void ReplayLearner::remember(const Batch& batch) {
  memory_.offer(batch, [&](size_t slot, int64_t row) { stored(slot, batch, row); });
}

Replayed ReplayLearner::replay(int64_t count, const Step& step, uint64_t draw) const {
  const uint64_t number = step.number() * 4 + draw;
  auto slots = memory_.draw(options_.replay_batch > 0 ? step.share(options_.replay_batch) : count,
                            seeds()("replay", number));
  Batch batch = recall(slots, seeds()("replay augment", number));
  return {std::move(slots), std::move(batch)};
}

Batch ReplayLearner::recall(const std::vector<size_t>& slots, Random augment) const {
  return samples_(memory_.samples().at(slots), augment);
}

void ReplayLearner::state(Archive& a) {
  NetworkLearner::state(a);
  a("memory", memory_);
}

}  // namespace patina
