// Datasets and batches: the samples a learner may see, and how they reach it.
#pragma once

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

/// A minibatch on the training device.
struct Batch {
  Input input;    // what the network takes
  Tensor target;  // [B] class ids, numbered over the whole stream
  Tensor sample;  // [B] positions in the source: the feature store's key
  Tensor row;     // [B] indices into the dataset that is read: batches may come in any order
  Tensor task;    // [B] of which task, where a scenario tells it at test time; else undefined

  int64_t size() const { return sample.size(0); }
  Batch slice(int64_t from, int64_t to) const;
  /// The samples of both, this one's first, through one pass. `row` is left out: they may be of
  /// different datasets.
  Batch joined(const Batch& other) const;
};

/// Some samples of one split: positions in a source, with targets numbered over the whole stream.
class Dataset {
 public:
  Dataset(const Source& source, std::vector<int64_t> positions, std::vector<int64_t> targets);

  int64_t size() const { return int64_t(positions_.size()); }
  int64_t position(int64_t i) const { return positions_[size_t(i)]; }
  int64_t target(int64_t i) const { return targets_[size_t(i)]; }
  const std::vector<int64_t>& targets() const { return targets_; }
  const Source& source() const { return *source_; }

  /// Some of its samples, by their indices in the order given.
  Dataset select(const std::vector<int64_t>& indices) const;
  /// The samples of both, this one's first. Both must come from the same source.
  Dataset joined(const Dataset& other) const;

 private:
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

/// Loads chosen samples of one source again, as a feed makes them: how a memory gives back what it
/// stored. All references are lent.
class SampleLoader {
 public:
  SampleLoader(const Source& source, const Feed& feed, ThreadPool& pool)
      : source_(source), feed_(feed), pool_(pool) {}
  const Source& source() const { return source_; }
  /// The samples at `positions` with their targets, in that order, as one batch.
  Batch operator()(std::vector<int64_t> positions, std::vector<int64_t> targets,
                   Random augment) const;

 private:
  const Source& source_;
  const Feed& feed_;
  ThreadPool& pool_;
};

}  // namespace patina
