// Datasets and batches: the samples a learner may see, and how they reach it.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "patina/base/random.h"
#include "patina/base/thread_pool.h"
#include "patina/data/feed.h"
#include "patina/data/source.h"
#include "patina/nn/input.h"
#include "patina/tensor.h"

namespace patina {

/// One sample that a learner was shown, which a memory may keep. Only batches and datasets give
/// handles out, and only a SampleLoader takes them: what was never shown cannot be asked for.
class SampleHandle {
 public:
  int64_t target() const { return target_; }

 private:
  friend class Batch;
  friend class Dataset;
  friend class SampleHandles;
  friend class SampleLoader;
  friend struct SampleAccess;
  SampleHandle(int64_t position, int64_t target) : position_(position), target_(target) {}
  int64_t position_, target_;
};

/// Handles in an order, which a checkpoint keeps.
class SampleHandles {
 public:
  int64_t size() const { return int64_t(list_.size()); }
  const SampleHandle& operator[](size_t i) const { return list_[i]; }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  void add(const SampleHandle& sample) { list_.push_back(sample); }
  void add(const SampleHandles& more) { list_.insert(list_.end(), more.begin(), more.end()); }
  void replace(size_t i, const SampleHandle& sample) { list_[i] = sample; }
  /// The first `count` of them stay.
  void truncate(int64_t count) {
    if (count < size()) list_.erase(list_.begin() + count, list_.end());
  }
  /// Those at some places, in their order.
  SampleHandles at(const std::vector<size_t>& places) const {
    SampleHandles some;
    for (const size_t place : places) some.add(list_[place]);
    return some;
  }

  template <class Archive>
  void state(Archive& a) {
    std::vector<int64_t> positions, targets;
    for (const auto& sample : list_) {
      positions.push_back(sample.position_);
      targets.push_back(sample.target_);
    }
    a("positions", positions);
    a("targets", targets);
    if (!a.loading()) return;
    list_.clear();
    for (size_t i = 0; i < std::min(positions.size(), targets.size()); ++i)
      list_.push_back({positions[i], targets[i]});
  }

 private:
  std::vector<SampleHandle> list_;
};

/// A minibatch on the training device.
class Batch {
 public:
  Input input;    // what the network takes
  Tensor target;  // [B] class ids, numbered over the whole stream
  Tensor row;     // [B] indices into the dataset that is read: batches may come in any order

  Batch() = default;

  int64_t size() const { return target.size(0); }
  /// [B] what tells the samples of the stream apart; nothing can be loaded by it.
  const Tensor& sample() const { return sample_; }
  /// Of each sample, in their order.
  SampleHandles handles() const;
  Batch slice(int64_t from, int64_t to) const;
  /// The samples of both, this one's first, through one pass. `row` is left out: they may be of
  /// different datasets.
  Batch joined(const Batch& other) const;

 private:
  friend class Loader;
  friend struct SampleAccess;
  Tensor sample_;  // [B] positions in the source
};

/// Samples whose classes are asked for: neither their targets nor where they come from.
struct Question {
  Input input;
  Tensor task;  // [B] of which task, where a scenario tells it at test time; else undefined

  Question(Input asked, Tensor of_task = {})  // NOLINT: an input is a question
      : input(std::move(asked)), task(std::move(of_task)) {}
  Question(const Batch& batch) : input(batch.input) {}  // NOLINT: and so is a batch
  int64_t size() const { return input.size(); }
  Question slice(int64_t from, int64_t to) const {
    return {input.slice(from, to), task.defined() ? task.slice(0, from, to) : task};
  }
};

/// Some samples of one split, with targets numbered over the whole stream. It has no way back to
/// the source they come from.
class Dataset {
 public:
  /// `source` is lent; `positions` in it.
  Dataset(const Source& source, std::vector<int64_t> positions, std::vector<int64_t> targets);

  int64_t size() const { return int64_t(positions_.size()); }
  int64_t target(int64_t i) const { return targets_[size_t(i)]; }
  const std::vector<int64_t>& targets() const { return targets_; }
  SampleHandle handle(int64_t i) const { return {positions_[size_t(i)], targets_[size_t(i)]}; }

  /// Some of its samples, by their indices in the order given.
  Dataset select(const std::vector<int64_t>& indices) const;
  /// The samples of both, this one's first. Both must come from the same source.
  Dataset joined(const Dataset& other) const;

 private:
  friend class Loader;
  friend class SampleLoader;
  friend struct SampleAccess;
  const Source& source() const { return *source_; }
  int64_t position(int64_t i) const { return positions_[size_t(i)]; }

  const Source* source_;
  std::vector<int64_t> positions_, targets_;
};

/// Every sample of a source under its own class numbers.
Dataset whole(const Source& source);

/// What each sample of a dataset costs, by its index.
std::vector<int64_t> costs(const Feed& feed, const Dataset& dataset);

/// Keys of a dataset's samples as a deterministic feed makes them into input: [N,2] int64. Of equal
/// keys the inputs are equal. Throws what reading the samples throws.
Tensor input_keys(const Feed& feed, const Dataset& dataset, ThreadPool& pool);

/// Batches of a dataset in a given order, prepared ahead on a thread pool. What a batch holds
/// depends on the order and on `augment` only, not on threads or timing: sample i of the source is
/// augmented with `augment.at(i)`. Inputs of a deterministic feed have their keys, and its images
/// come without pixels: rows that are never read are not decoded, and those that are, at that
/// moment; but while batch after batch is read as a whole, the next ones are decoded ahead. A
/// loader and its batches belong to one thread. Batches may outlive the loader, not the feed or the
/// pool.
class Loader {
 public:
  /// `order` holds indices into `dataset`; the last batch may be smaller. All references are lent.
  Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, std::vector<int64_t> order,
         int64_t batch_size, Random augment);
  /// Without randomness: the costliest first, where all cost the same in the dataset's own order.
  /// Batch::row tells which samples came.
  Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, int64_t batch_size);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t batches() const;
  /// Continues at batch `index`.
  void seek(int64_t index);
  /// The next batch, or nothing at the end. Throws what reading the samples threw, or decoding,
  /// where that is not left for later.
  std::optional<Batch> next();

 private:
  class Pending;
  struct Ahead;
  void start(bool whole);

  const Dataset& dataset_;
  const Feed& feed_;
  ThreadPool& pool_;
  std::vector<int64_t> order_;
  int64_t batch_size_;
  Random augment_;
  std::optional<ContentHash> made_by_;  // a deterministic feed's part of the keys
  bool lazy_;                           // pixels are made when they are read
  int64_t next_ = 0, started_ = 0;
  std::shared_ptr<Ahead> ahead_;  // batches whose inputs may outlive the loader have it too
};

/// Loads samples that were shown again, as a feed makes them: how a memory gives back what it
/// stored. All references are lent. Throws Error(state) where the source does not have a sample,
/// which was another one then.
class SampleLoader {
 public:
  SampleLoader(const Source& source, const Feed& feed, ThreadPool& pool)
      : source_(source), feed_(feed), pool_(pool) {}
  /// The samples, in that order, as one batch.
  Batch operator()(const SampleHandles& samples, Random augment) const;
  Dataset dataset(const SampleHandles& samples) const;

  /// From now on only samples that were shown are given back, however a handle came about.
  void guard() { shown_.assign(size_t(source_.size()), false); }
  void show(const Dataset& data);

 private:
  const Source& source_;
  const Feed& feed_;
  ThreadPool& pool_;
  std::vector<bool> shown_;  // empty: all of them
};

}  // namespace patina
