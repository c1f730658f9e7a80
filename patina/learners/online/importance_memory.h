// CLIB's memory: samples with the amount by which training on them lowers the loss of the others.
#pragma once

#include <optional>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

class ImportanceMemory {
 public:
  explicit ImportanceMemory(int64_t capacity) : capacity_(capacity) {}

  /// Stores a sample and returns its slot. A full memory replaces the least important sample of the
  /// class with most samples, where the new one counts; nothing if that class has no other sample.
  /// A new sample is as important as its class is in the mean, or as all samples are if it is the
  /// first of its class. Importances grow while losses fall, so with 0 it would be the next to be
  /// replaced.
  std::optional<size_t> add(const SampleHandle& sample);

  /// H ← H - (1 - keep) (change - mean(H) / n) for the samples in `trained`, the n slots of the
  /// steps since the last call; `change` is that of the mean loss.
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
