// A memory of samples: which of those that pass by are kept, and which are given back.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "patina/base/random.h"
#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// Up to `capacity` samples in slots. What a method knows beside a sample, it keeps under the same
/// slot.
class SampleMemory {
 public:
  /// How a full memory makes room.
  ///   reservoir: every sample of the stream is as likely to be in it (Vitter, 1985, algorithm R)
  ///   balanced: the largest class gives way; a class that was largest once is a reservoir of its
  ///     own samples (CBRS: Chrysakis and Moens, ICML 2020)
  ///   greedy: a sample of a class with fewer than its share replaces a drawn one of the largest,
  ///     others are not taken (GDumb: Prabhu et al., ECCV 2020)
  ///   ring: the oldest gives way
  enum class Policy { reservoir, balanced, greedy, ring };

  /// `random` draws what gives way: the same stream, the same memory, however often it is stopped.
  SampleMemory(int64_t capacity, Policy policy, Random random);

  /// Offers a batch's samples, in their order; calls `stored` for each that is kept, where it is
  /// given.
  void offer(const Batch& batch, const std::function<void(size_t slot, int64_t row)>& stored = {});
  /// Offers a sample; the slot it was put in, or nothing where it is not kept.
  std::optional<size_t> offer(const SampleHandle& sample);
  /// `count` slots drawn without replacement, all in their order where there are not as many.
  std::vector<size_t> draw(int64_t count, Random random) const;

  int64_t capacity() const { return capacity_; }
  int64_t size() const { return samples_.size(); }
  int64_t offered() const { return offered_; }
  const SampleHandles& samples() const { return samples_; }
  /// Slots of a class.
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
  std::vector<int64_t> kept_, met_, full_;  // by class: in the memory, offered, once the largest
};

/// `count` of 0..n-1 drawn without replacement, all of them shuffled where there are not as many:
/// the first steps of a Fisher-Yates shuffle.
std::vector<size_t> drawn(size_t count, size_t n, Random random);

/// The policies by name, for options: "reservoir", ...
const std::vector<std::string>& memory_policies();
SampleMemory::Policy memory_policy(const std::string& name);

}  // namespace patina
