// Replay: every batch is trained together with samples from a memory, which is filled from the
// stream. Methods differ in the loss on memory samples.
#pragma once

#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"

namespace patina {

struct ReplayOptions {
  int64_t memory = 500;  // samples
  std::string policy = "reservoir";
  int64_t replay_batch = 0;  // samples; 0: as training.batch_size

  void bind(Fields& f);
};

/// A batch from the memory, and the slots its samples come from.
struct Replayed {
  std::vector<size_t> slots;
  Batch batch;
};

class ReplayLearner : public NetworkLearner {
 public:
  ReplayLearner(Setup setup, const ReplayOptions& options);

  /// Offers the batch's samples to the memory, in order.
  void remember(const Batch& batch) override;
  void state(Archive& a) override;

 protected:
  /// Called when sample `row` of `batch` was stored in `slot`, for methods that store more than the
  /// sample.
  virtual void stored(size_t /*slot*/, const Batch& /*batch*/, int64_t /*row*/) {}
  /// A random batch from the memory, of replay_batch or `count` samples, with new augmentation.
  /// `draw` distinguishes several draws in one step. The memory must not be empty.
  Replayed replay(int64_t count, const Step& step, uint64_t draw = 0) const;
  /// The samples in the given slots.
  Batch recall(const std::vector<size_t>& slots, Random augment) const;

  const SampleMemory& memory() const { return memory_; }

 private:
  ReplayOptions options_;
  const SampleLoader& samples_;
  SampleMemory memory_;
};

}  // namespace patina
