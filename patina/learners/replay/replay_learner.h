// Replay: a network that learns beside every batch some samples of a memory, which is filled as the
// stream goes by. What is asked of them is the method's.
#pragma once

#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"

namespace patina {

struct ReplayOptions {
  int64_t memory = 500;  // samples
  std::string policy = "reservoir";
  int64_t replay_batch = 0;  // samples; 0: training.batch_size's

  void bind(Fields& f);
};

/// A batch of the memory, and the slots it comes from.
struct Replayed {
  std::vector<size_t> slots;
  Batch batch;
};

class ReplayLearner : public NetworkLearner {
 public:
  ReplayLearner(Setup setup, const ReplayOptions& options);

  /// Offers the batch's samples to the memory, in their order.
  void remember(const Batch& batch) override;
  void state(Archive& a) override;

 protected:
  /// Sample `row` of `batch` was put into `slot`: where a method keeps more than the sample.
  virtual void stored(size_t /*slot*/, const Batch& /*batch*/, int64_t /*row*/) {}
  /// A drawn batch of the memory, of as many samples as replay_batch says or `count`, anew
  /// augmented; `draw` tells several draws of one step apart. The memory must not be empty.
  Replayed replay(int64_t count, const Step& step, uint64_t draw = 0) const;
  /// The samples in some slots.
  Batch recall(const std::vector<size_t>& slots, Random augment) const;

  const SampleMemory& memory() const { return memory_; }

 private:
  ReplayOptions options_;
  const SampleLoader& samples_;
  SampleMemory memory_;
};

}  // namespace patina
