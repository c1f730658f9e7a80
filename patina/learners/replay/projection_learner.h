// Methods that store samples of every task separately and project gradients so that no step
// conflicts with them: the memory of GEM and A-GEM.
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
  /// The projection of the batch's gradient; only called from the second task on.
  virtual Tensor projected(const Tensor& gradient, const Step& step) = 0;
  /// The gradient of the loss on samples from earlier tasks' memories.
  Tensor gradient_on(const SampleHandles& samples, const Step& step, uint64_t draw);
  /// The memories of the earlier tasks.
  std::vector<const SampleMemory*> past() const;

 private:
  ProjectionOptions options_;
  SampleMemory::Policy policy_;
  const SampleLoader& samples_;
  std::vector<SampleMemory> memories_;  // per task, the newest last
};

}  // namespace patina
