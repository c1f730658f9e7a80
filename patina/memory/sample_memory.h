// A bounded memory of samples: decides which offered samples are kept, and draws from them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "patina/base/random.h"
#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// Up to `capacity` samples in slots. Methods that store more than the sample index it by slot.
class SampleMemory {
 public:
  /// What a full memory replaces.
  ///   reservoir: a random sample or none, so that each sample of the stream is kept with the same
  ///              probability (Vitter, 1985, algorithm R)
  ///   balanced:  a random sample of the largest class; a class that was ever the largest is a
  ///              reservoir of its own samples (CBRS: Chrysakis and Moens, ICML 2020)
  ///   greedy:    a random sample of the largest class, if the new sample's class is below its
  ///              share; other samples are not stored (GDumb: Prabhu et al., ECCV 2020)
  ///   ring:      the oldest sample
  enum class Policy { reservoir, balanced, greedy, ring };

  /// `random` draws the samples to replace. The result depends only on the stream and `random`, not
  /// on interruptions.
  SampleMemory(int64_t capacity, Policy policy, Random random);

  /// Offers a batch's samples in order; calls `stored`, if given, for each one that is stored.
  void offer(const Batch& batch, const std::function<void(size_t slot, int64_t row)>& stored = {});
  /// Offers a sample; returns its slot, or nothing if it is not stored.
  std::optional<size_t> offer(const SampleHandle& sample);
  /// `count` slots drawn without replacement; if there are fewer, all of them in order.
  std::vector<size_t> draw(int64_t count, Random random) const;

  int64_t capacity() const { return capacity_; }
  int64_t size() const { return samples_.size(); }
  int64_t offered() const { return offered_; }
  const SampleHandles& samples() const { return samples_; }
  /// The slots of a class.
  std::vector<size_t> of_class(int64_t target) const;

  void state(Archive& a);

 private:
  std::optional<size_t> slot_for(int64_t target, Random random);
  int64_t largest_class() const;

  int64_t capacity_;
  Policy policy_;
  Random random_;
  int64_t offered_ = 0;
  SampleHandles samples_;
  std::vector<int64_t> kept_, met_, full_;  // per class: number in the memory, number offered,
                                            // whether it ever was the largest
};

/// `count` of the numbers 0 to n-1, drawn without replacement, or all of them shuffled if there are
/// fewer: the first steps of a Fisher-Yates shuffle.
std::vector<size_t> drawn(size_t count, size_t n, Random random);

/// Names of the policies, for options: "reservoir", ...
const std::vector<std::string>& memory_policies();
SampleMemory::Policy memory_policy(const std::string& name);

}  // namespace patina
