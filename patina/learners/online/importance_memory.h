// CLIB's memory: samples with an importance, the amount by which training on a sample lowers the
// loss of the others.
#pragma once

#include <optional>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

class ImportanceMemory {
 public:
  explicit ImportanceMemory(int64_t capacity) : capacity_(capacity) {}

  /// Stores a sample and returns its slot. A full memory replaces the least important sample of its
  /// largest class, where the new sample counts too; if that class has no stored sample, the new
  /// one is dropped. A new sample starts with the mean importance of its class, or of all samples
  /// if it is the first of its class. Importances grow while losses fall, so a sample that started
  /// with 0 would be replaced next.
  std::optional<size_t> add(const SampleHandle& sample);

  /// H ← H - (1 - keep) (change - mean(H) / n) for the samples in `trained`, the n slots that were
  /// trained on since the last call. `change`: how much the mean loss changed.
  void credit(const std::vector<size_t>& trained, double change, double keep);

  const SampleHandles& samples() const { return samples_; }
  double importance(size_t slot) const { return importance_[slot]; }

  void state(Archive& a) {
    samples_.state(a);
    a("importance", importance_);
  }

 private:
  double mean_of(const std::vector<size_t>& slots) const;

  int64_t capacity_;
  SampleHandles samples_;
  std::vector<double> importance_;  // H
};

}  // namespace patina
