// One adapter a task: the newest learns, the earlier are frozen. What a frozen one makes of a
// sample is kept in the backbone's feature store, so no sample passes through it twice. EASE, MOS
// and TUNA are made of this and of ways to choose among the adapters.
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

  /// One more adapter, which takes gradients; the others are frozen. Fresh, or with the last one's
  /// weights where there is one.
  void add(Random random, bool like_last = false);
  void freeze();

  size_t size() const { return adapters_.size(); }
  adapt::Adapter& operator[](size_t task) const { return *adapters_.at(task); }
  adapt::Adapter& last() const { return *adapters_.back(); }
  /// The weights of the first `count`.
  std::vector<Weights> weights(size_t count) const;

  /// Features under one task's adapter: [B,D], [N,D].
  Tensor features(const Input& input, size_t task) const;
  FeatureSet features(const Dataset& data, size_t task, Trainer& trainer) const;
  /// Features of each sample under the adapter of its own of `tasks` [B]: an adapter is run on no
  /// other sample.
  Tensor features(const Input& input, const Tensor& tasks) const;

  void state(Archive& a);

 private:
  const Backbone& backbone_;
  adapt::AdapterOptions options_;
  std::vector<std::unique_ptr<adapt::Adapter>> adapters_;
};

/// Self-refinement (Sun et al., "MOS", AAAI 2025, section 4.2): a sample is scored under the
/// adapter of a first task; while its best class is of another task it is scored under that one's,
/// at most `rounds` scorings in all. `first` [B]; `task_of` [K], of each class; `score` gives
/// [n,K] of the samples `rows` [n] under the adapters `tasks` [n]. -> [B,K], of the last scoring.
Tensor refined(const Tensor& first, const Tensor& task_of, int64_t rounds,
               const std::function<Tensor(const Tensor& rows, const Tensor& tasks)>& score);

/// Of several scores [B,K] of the same samples, for each sample those whose softmax has the least
/// entropy: [B,K].
Tensor least_entropy(const std::vector<Tensor>& scores);

}  // namespace patina
