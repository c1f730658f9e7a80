// One adapter per task: the newest is trained, earlier ones are frozen. Features under frozen
// adapters are cached in the backbone's feature store, so each sample is computed once per adapter.
// The base of EASE, MOS and TUNA, which differ in how they choose among the adapters.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "patina/learn/adapted.h"
#include "patina/learn/trainer.h"
#include "patina/nn/merging.h"

namespace patina {

class TaskAdapters {
 public:
  /// Adapters for `backbone`, which is lent.
  TaskAdapters(const Backbone& backbone, const adapt::AdapterOptions& options)
      : backbone_(backbone), options_(options) {}

  /// Adds an adapter that requires gradients; the others are frozen. `like_last`: with the weights
  /// of the last one, if any.
  void add(Random random, bool like_last = false);
  void freeze();

  size_t size() const { return adapters_.size(); }
  adapt::Adapter& operator[](size_t task) const { return *adapters_.at(task); }
  adapt::Adapter& last() const { return *adapters_.back(); }
  /// The weights of the first `count` adapters.
  std::vector<Weights> weights(size_t count) const;

  /// Features under one task's adapter: [B,D].
  Tensor features(const Input& input, size_t task) const;
  FeatureSet features(const Dataset& data, size_t task, Trainer& trainer) const;
  /// Features of each sample under the adapter of its own task in `tasks` [B]: each adapter runs
  /// only on its samples.
  Tensor features(const Input& input, const Tensor& tasks) const;

  void state(Archive& a);

 private:
  const Backbone& backbone_;
  adapt::AdapterOptions options_;
  std::vector<std::unique_ptr<adapt::Adapter>> adapters_;
};

/// Self-refinement (Sun et al., "MOS", AAAI 2025, section 4.2): a sample is scored under the
/// adapter of a first task; while its best class belongs to another task it is scored under that
/// task's adapter, with at most `rounds` scorings in all. `first` [B]; `task_of` [K], the task of
/// each class; `score` returns [n,K] for samples `rows` [n] under adapters `tasks` [n]. Returns the
/// last scores [B,K].
Tensor refined(const Tensor& first, const Tensor& task_of, int64_t rounds,
               const std::function<Tensor(const Tensor& rows, const Tensor& tasks)>& score);

/// From several scores [B,K] of the same samples, selects per sample those whose softmax has the
/// lowest entropy: [B,K].
Tensor least_entropy(const std::vector<Tensor>& scores);

}  // namespace patina
