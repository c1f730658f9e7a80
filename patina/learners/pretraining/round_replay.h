// Rounds whose samples are mixed with kept ones of earlier rounds.
#pragma once

#include "patina/learners/pretraining/round_learner.h"
#include "patina/learners/pretraining/round_memory.h"

namespace patina {

class RoundReplay : public RoundLearner {
 public:
  RoundReplay(Setup setup, const TuneOptions& tune, const RoundOptions& options,
              int64_t memory_per_task)
      : RoundLearner(setup, tune, options), memory_(memory_per_task, setup.loader(), setup.seeds) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    RoundLearner::begin_task(task, trainer);
    memory_.begin(task);
  }
  void end_task(const Task& task, Trainer&) override { memory_.end(task); }
  void state(Archive& a) override {
    RoundLearner::state(a);
    a("memory", memory_);
  }

 protected:
  RoundMemory& memory() { return memory_; }
  const RoundMemory& memory() const { return memory_; }

 private:
  RoundMemory memory_;
};

}  // namespace patina
