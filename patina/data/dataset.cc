#include "patina/data/dataset.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>

#include "patina/base/error.h"
#include "patina/data/order.h"
#include "patina/ops.h"

namespace patina {

Dataset::Dataset(const Source& source, std::vector<int64_t> positions, std::vector<int64_t> targets)
    : source_(&source), positions_(std::move(positions)), targets_(std::move(targets)) {
  PATINA_CHECK(positions_.size() == targets_.size(), "{} positions, {} targets", positions_.size(),
               targets_.size());
}

Dataset Dataset::joined(const Dataset& other) const {
  PATINA_CHECK(source_ == other.source_, "datasets of two sources");
  Dataset both = *this;
  both.positions_.insert(both.positions_.end(), other.positions_.begin(), other.positions_.end());
  both.targets_.insert(both.targets_.end(), other.targets_.begin(), other.targets_.end());
  return both;
}

Dataset whole(const Source& source) {
  std::vector<int64_t> positions(size_t(source.size())), targets;
  std::iota(positions.begin(), positions.end(), int64_t{0});
  for (const int64_t position : positions) targets.push_back(source.label(position));
  return {source, std::move(positions), std::move(targets)};
}

std::vector<int64_t> costs(const Feed& feed, const Dataset& dataset) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < dataset.size(); ++i)
    result.push_back(feed.cost(dataset.source(), dataset.position(i)));
  return result;
}

namespace {

// Of everything a feed makes; a sample's key begins with it.
ContentHash hash_of(const Feed& feed) {
  ContentHash hash;
  hash.add(feed.text());
  return hash;
}

// Writes a sample's key into a row of [N,2].
void write_key(ContentHash made_by, const Source& source, int64_t sample, int64_t* row) {
  const Fingerprint fingerprint = source.fingerprint(sample);
  made_by.add(fingerprint.data(), sizeof fingerprint);
  const auto words = made_by.words();
  std::ranges::copy(words, row);
}

}  // namespace

Tensor input_keys(const Feed& feed, const Dataset& dataset, ThreadPool& pool) {
  PATINA_CHECK(feed.deterministic(), "keys of what is random");
  const ContentHash made_by = hash_of(feed);
  Tensor keys = at::empty({dataset.size(), 2}, at::kLong);
  int64_t* rows = keys.data_ptr<int64_t>();
  pool.for_each(dataset.size(), [&](int64_t i) {
    write_key(made_by, dataset.source(), dataset.position(i), rows + 2 * i);
  });
  return keys;
}

// A batch being made. Workers hold it too, so a loader may be dropped at any time.
struct Loader::Pending {
  Batch batch;  // without its input
  std::unique_ptr<Making> making;
  Tensor keys;  // [B,2]; undefined where the feed is random
  std::mutex mutex;
  std::condition_variable ready;
  int64_t left = 0;
  int64_t failed = -1;  // the lowest row that threw, and what it threw
  std::exception_ptr error;
};

namespace {
constexpr int64_t kAhead = 2;  // batches in the making beside the one in use
constexpr int64_t kChunk = 8;  // samples a worker takes at once
}  // namespace

Loader::Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool,
               std::vector<int64_t> order, int64_t batch_size, Random augment)
    : dataset_(dataset),
      feed_(feed),
      pool_(pool),
      order_(std::move(order)),
      batch_size_(batch_size),
      augment_(augment) {
  PATINA_CHECK(batch_size > 0, "batch size {}", batch_size);
  if (feed.deterministic()) made_by_ = hash_of(feed);
}

Loader::Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, int64_t batch_size)
    : Loader(dataset, feed, pool, costliest_first(costs(feed, dataset)), batch_size, Random()) {}

// Workers read the dataset and the feed, which are only lent: wait for what was started.
Loader::~Loader() {
  for (const auto& pending : pending_) {
    std::unique_lock lock(pending->mutex);
    pending->ready.wait(lock, [&] { return pending->left == 0; });
  }
}

int64_t Loader::batches() const {
  return (int64_t(order_.size()) + batch_size_ - 1) / batch_size_;
}

void Loader::seek(int64_t index) {
  PATINA_CHECK(pending_.empty(), "seek after the first batch");
  next_ = started_ = index;
}

void Loader::start(int64_t index) {
  const int64_t first = index * batch_size_;
  const int64_t count = std::min(batch_size_, int64_t(order_.size()) - first);
  auto pending = std::make_shared<Pending>();
  std::vector<int64_t> targets, samples;
  for (int64_t i = 0; i < count; ++i) {
    targets.push_back(dataset_.target(order_[size_t(first + i)]));
    samples.push_back(dataset_.position(order_[size_t(first + i)]));
  }
  pending->batch = {{},
                    tensor_of(targets),
                    tensor_of(samples),
                    tensor_of(std::span(order_).subspan(size_t(first), size_t(count)))};
  pending->making = feed_.begin(dataset_.source(), count);
  if (made_by_) pending->keys = at::empty({count, 2}, at::kLong);
  pending->left = (count + kChunk - 1) / kChunk;
  pending_.push_back(pending);
  for (int64_t chunk = 0; chunk < count; chunk += kChunk) {
    pool_.submit([this, pending, samples, chunk, count] {
      for (int64_t row = chunk; row < std::min(chunk + kChunk, count); ++row) {
        try {
          const int64_t sample = samples[size_t(row)];
          pending->making->prepare(row, sample, augment_.at(uint64_t(sample)));
          if (made_by_)
            write_key(*made_by_, dataset_.source(), sample,
                      pending->keys.data_ptr<int64_t>() + 2 * row);
        } catch (...) {
          std::lock_guard lock(pending->mutex);
          if (pending->failed < 0 || row < pending->failed) {
            pending->failed = row;
            pending->error = std::current_exception();
          }
        }
      }
      std::lock_guard lock(pending->mutex);
      if (--pending->left == 0) pending->ready.notify_all();
    });
  }
}

std::optional<Batch> Loader::next() {
  if (next_ >= batches()) return std::nullopt;
  while (started_ < batches() && started_ <= next_ + kAhead) start(started_++);
  const auto pending = pending_.front();
  {
    std::unique_lock lock(pending->mutex);
    pending->ready.wait(lock, [&] { return pending->left == 0; });
  }
  pending_.erase(pending_.begin());
  ++next_;
  if (pending->error) std::rethrow_exception(pending->error);
  pending->batch.input = pending->making->join();
  pending->batch.input.keys = pending->keys;
  return std::move(pending->batch);
}

}  // namespace patina
