// Methods that keep samples of every task apart and let no step go against what they say: the
// memory of GEM and A-GEM.
#pragma once

#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/optim/gradients.h"

namespace patina {

struct ProjectionOptions {
  int64_t memory_per_task = 256;  // samples

  void bind(Fields& f);
};

class ProjectionLearner : public NetworkLearner {
 public:
  ProjectionLearner(Setup setup, const ProjectionOptions& options, SampleMemory::Policy policy);

  void begin_task(const Task& task, Trainer& trainer) override;
  void after_backward(const Step&) override;
  void remember(const Batch& batch) override;
  void state(Archive& a) override;

 protected:
  /// The gradient to step along, given the batch's; only called when there are earlier tasks.
  virtual Tensor projected(const Tensor& gradient, const Step& step) = 0;
  /// The gradient of the loss on some samples of earlier tasks' memories.
  Tensor gradient_on(const SampleHandles& samples, const Step& step, uint64_t draw);
  /// Memories of the earlier tasks.
  std::vector<const SampleMemory*> past() const;

 private:
  ProjectionOptions options_;
  SampleMemory::Policy policy_;
  const SampleLoader& samples_;
  std::vector<SampleMemory> memories_;  // of each task, the newest last
};

}  // namespace patina
