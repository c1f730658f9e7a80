// Datasets and batches: the samples a learner may see, and how they are loaded.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "patina/base/random.h"
#include "patina/base/thread_pool.h"
#include "patina/data/feed.h"
#include "patina/data/source.h"
#include "patina/nn/input.h"
#include "patina/tensor.h"

namespace patina {

/// A reference to a sample a learner has seen, which a memory may store. Only batches and datasets
/// create handles, and only a SampleLoader accepts them: samples never seen cannot be requested.
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

/// A list of handles that can be saved in a checkpoint.
class SampleHandles {
 public:
  int64_t size() const { return int64_t(list_.size()); }
  const SampleHandle& operator[](size_t i) const { return list_[i]; }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  void add(const SampleHandle& sample) { list_.push_back(sample); }
  void add(const SampleHandles& more) { list_.insert(list_.end(), more.begin(), more.end()); }
  void replace(size_t i, const SampleHandle& sample) { list_[i] = sample; }
  /// Reduces the list to the first `count`.
  void truncate(int64_t count) {
    if (count < size()) list_.erase(list_.begin() + count, list_.end());
  }
  /// The handles at some positions, in order.
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
    a.refer(positions, targets);
    if (!a.loading()) return;
    list_.clear();
    for (size_t i = 0; i < positions.size(); ++i) list_.push_back({positions[i], targets[i]});
  }

 private:
  std::vector<SampleHandle> list_;
};

/// A minibatch: input and targets are at the feed's place, the other tensors on the host.
class Batch {
 public:
  Input input;    // what the network reads
  Tensor target;  // [B] class ids, numbered over the whole stream
  Tensor row;     // [B] indices into the dataset; batches may come in any order

  Batch() = default;

  int64_t size() const { return target.size(0); }
  /// [B] ids that distinguish the samples of the stream; nothing can be loaded by them.
  const Tensor& sample() const { return sample_; }
  /// The handles of the samples, in order.
  SampleHandles handles() const;
  Batch slice(int64_t from, int64_t to) const;
  /// The rows [from, to) of a batch of texts, without padding that all of them have. Rows may be
  /// packed, so which samples they hold is left out.
  Batch rows(int64_t from, int64_t to) const;
  /// The samples of both, this batch's first, for one forward pass. `row` is undefined: the samples
  /// may be of different datasets.
  Batch joined(const Batch& other) const;

 private:
  friend class Loader;
  friend struct SampleAccess;
  Tensor sample_;  // [B] positions in the source
};

/// Samples to classify: without their targets or origin.
struct Question {
  Input input;
  Tensor task;  // [B] the task of each sample if the scenario gives it at test time; otherwise
                // undefined

  Question(Input asked, Tensor of_task = {})  // NOLINT: implicit on purpose
      : input(std::move(asked)), task(std::move(of_task)) {}
  Question(const Batch& batch) : input(batch.input) {}  // NOLINT: implicit on purpose
  int64_t size() const { return input.size(); }
  Question slice(int64_t from, int64_t to) const {
    return {input.slice(from, to), task.defined() ? task.slice(0, from, to) : task};
  }
};

/// Samples of one split, with targets numbered over the whole stream. It gives no access to the
/// source they come from.
class Dataset {
 public:
  /// `source` is lent; `positions` are indices into it.
  Dataset(const Source& source, std::vector<int64_t> positions, std::vector<int64_t> targets);

  int64_t size() const { return int64_t(positions_.size()); }
  int64_t target(int64_t i) const { return targets_[size_t(i)]; }
  const std::vector<int64_t>& targets() const { return targets_; }
  SampleHandle handle(int64_t i) const { return {positions_[size_t(i)], targets_[size_t(i)]}; }

  /// The samples with these indices, in the order given.
  Dataset select(const std::vector<int64_t>& indices) const;
  /// The samples of both, this dataset's first. Both must come from the same source.
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

/// Every sample of a source, with the source's class numbers.
Dataset whole(const Source& source);

/// The cost of each sample of a dataset, by index.
std::vector<int64_t> costs(const Feed& feed, const Dataset& dataset);

/// Cache keys of a dataset's samples under a deterministic feed: [N,2] int64. Equal keys mean equal
/// inputs. Throws the errors of reading the samples.
Tensor input_keys(const Feed& feed, const Dataset& dataset, ThreadPool& pool);

/// Batches of a dataset in a given order, prepared ahead on a thread pool. A batch's content
/// depends on the order and on `augment` only, not on threads or timing: sample i of the source is
/// augmented with `augment.at(i)`. Inputs of a deterministic feed have keys, and its images are
/// decoded lazily: rows never read are not decoded, the others when they are read. While whole
/// batches are read one after the other, the next ones are decoded ahead. A loader and its batches
/// belong to one thread. Batches may outlive the loader, but not the feed or the pool.
class Loader {
 public:
  /// `order` contains indices into `dataset`; the last batch may be smaller. All references are
  /// lent.
  Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, std::vector<int64_t> order,
         int64_t batch_size, Random augment);
  /// Without randomness: ordered by decreasing cost, equal costs in the dataset's order. Batch::row
  /// gives each sample's index.
  Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, int64_t batch_size);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Prepares only the rows [first, last) of each batch ahead, given its size; images of other rows
  /// are decoded when they are read. Texts are always prepared whole. Call before `next`.
  void prepare_only(std::function<std::pair<int64_t, int64_t>(int64_t size)> rows);

  int64_t batches() const;
  /// Continues at batch `index`.
  void seek(int64_t index);
  /// The next batch, or nothing at the end. Throws the errors of reading samples, and of decoding
  /// unless that is lazy.
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
  std::optional<ContentHash> made_by_;  // hash of a deterministic feed, the start of the keys
  bool lazy_;                           // pixels are decoded when they are read
  std::function<std::pair<int64_t, int64_t>(int64_t)> only_;  // empty: all rows are alike
  int64_t next_ = 0, started_ = 0;
  std::shared_ptr<Ahead> ahead_;  // shared with batches whose inputs may outlive the loader
};

/// Loads samples by their handles, as a feed prepares them: this is how a memory returns its
/// samples. All references are lent. Throws Error(state) for a handle that is out of the source's
/// range, because it belongs to another source.
class SampleLoader {
 public:
  SampleLoader(const Source& source, const Feed& feed, ThreadPool& pool)
      : source_(source), feed_(feed), pool_(pool) {}
  /// The samples, in order, as one batch.
  Batch operator()(const SampleHandles& samples, Random augment) const;
  Dataset dataset(const SampleHandles& samples) const;

  /// From now on rejects handles of samples that were not shown, however they were created.
  void guard() { shown_.assign(size_t(source_.size()), false); }
  void show(const Dataset& data);

 private:
  const Source& source_;
  const Feed& feed_;
  ThreadPool& pool_;
  std::vector<bool> shown_;  // empty: all
};

}  // namespace patina
