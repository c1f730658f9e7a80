#include "patina/data/dataset.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <numeric>

#include "patina/base/error.h"
#include "patina/data/order.h"
#include "patina/data/sample_access.h"
#include "patina/ops.h"

namespace patina {

Batch Batch::slice(int64_t from, int64_t to) const {
  Batch some;
  some.input = input.slice(from, to);
  some.target = target.slice(0, from, to);
  some.row = row.slice(0, from, to);
  some.sample_ = sample_.slice(0, from, to);
  return some;
}

Batch Batch::rows(int64_t from, int64_t to) const {
  Batch some;
  some.input = input.slice(from, to);
  const int64_t longest = some.input.mask.sum(1).max().item<int64_t>();
  for (Tensor* part : {&some.input.data, &some.input.mask, &some.input.loss, &some.input.positions})
    if (part->defined()) *part = part->slice(1, 0, longest);
  return some;
}

Batch Batch::joined(const Batch& other) const {
  const auto both = [](const Tensor& a, const Tensor& b) {
    return a.defined() && b.defined() ? at::cat({a, b}) : Tensor();
  };
  Batch all;
  all.input = input.joined(other.input);
  all.target = both(target, other.target);
  all.sample_ = both(sample_, other.sample_);
  return all;
}

SampleHandles Batch::handles() const {
  SampleHandles list;
  const auto positions = items_of(sample_), targets = items_of(target);
  for (size_t i = 0; i < positions.size(); ++i) list.add({positions[i], targets[i]});
  return list;
}

Dataset::Dataset(const Source& source, std::vector<int64_t> positions, std::vector<int64_t> targets)
    : source_(&source), positions_(std::move(positions)), targets_(std::move(targets)) {
  PATINA_REQUIRE(positions_.size() == targets_.size(), "{} positions, {} targets",
                 positions_.size(), targets_.size());
}

Dataset Dataset::select(const std::vector<int64_t>& indices) const {
  std::vector<int64_t> positions, targets;
  for (const int64_t i : indices) {
    positions.push_back(position(i));
    targets.push_back(target(i));
  }
  return {*source_, std::move(positions), std::move(targets)};
}

Dataset Dataset::joined(const Dataset& other) const {
  PATINA_REQUIRE(source_ == other.source_, "datasets of two sources");
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
    result.push_back(feed.cost(SampleAccess::source(dataset), SampleAccess::position(dataset, i)));
  return result;
}

namespace {

// Hash of everything a feed does; the start of each sample's key.
ContentHash hash_of(const Feed& feed) {
  ContentHash hash;
  hash.add(feed.text());
  return hash;
}

}  // namespace

Tensor input_keys(const Feed& feed, const Dataset& dataset, ThreadPool& pool) {
  PATINA_REQUIRE(feed.deterministic(), "keys of what is random");
  const ContentHash made_by = hash_of(feed);
  Tensor keys = at::empty({dataset.size(), 2}, at::kLong);
  int64_t* rows = host_items(keys).data();
  pool.for_each(dataset.size(), [&](int64_t i) {
    const auto key =
        sample_key(made_by, SampleAccess::source(dataset), SampleAccess::position(dataset, i));
    std::ranges::copy(key, rows + 2 * i);
  });
  return keys;
}

namespace {

constexpr int64_t kAhead = 2;  // batches being prepared besides the current one
constexpr size_t kChunk = 8;   // rows a worker takes at a time

std::vector<int64_t> all_rows(size_t count) {
  std::vector<int64_t> rows(count);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

// A pool task over rows of a batch. Workers read lent data; the destructor waits for them.
class RowWork {
 public:
  RowWork(ThreadPool& pool, std::function<void(int64_t)> body)
      : pool_(pool), body_(std::move(body)) {}
  ~RowWork() { wait(); }

  void begin(const std::vector<int64_t>& rows) {
    for (size_t first = 0; first < rows.size(); first += kChunk) {
      const auto start = rows.begin() + std::ptrdiff_t(first);
      const auto count = std::ptrdiff_t(std::min(kChunk, rows.size() - first));
      {
        std::lock_guard lock(mutex_);
        ++left_;
      }
      pool_.submit([this, chunk = std::vector<int64_t>(start, start + count)] { work(chunk); });
    }
  }

  // Waits for all started rows, and rethrows the exception of the lowest row.
  void finish() {
    wait();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void work(const std::vector<int64_t>& rows) {
    for (const int64_t row : rows) {
      try {
        body_(row);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!error_ || row < failed_) {
          failed_ = row;
          error_ = std::current_exception();
        }
      }
    }
    std::lock_guard lock(mutex_);
    if (--left_ == 0) done_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return left_ == 0; });
  }

  ThreadPool& pool_;
  std::function<void(int64_t)> body_;
  std::mutex mutex_;
  std::condition_variable done_;
  int64_t left_ = 0, failed_ = 0;
  std::exception_ptr error_;
};

}  // namespace

// A batch being prepared: its keys, and the rows requested so far.
class Loader::Pending {
 public:
  Pending(const Loader& loader, std::span<const int64_t> order)
      : source_(loader.dataset_.source()),
        feed_(loader.feed_),
        augment_(loader.augment_),
        made_by_(loader.made_by_),
        making_(feed_.begin(source_, int64_t(order.size()))),
        begun_(order.size()),
        rows_(loader.pool_, [this](int64_t row) { prepare(row); }),
        keys_(loader.pool_, [this](int64_t row) { write_key(row); }) {
    std::vector<int64_t> targets;
    for (const int64_t i : order) {
      targets.push_back(loader.dataset_.target(i));
      samples_.push_back(loader.dataset_.position(i));
    }
    batch_.target = tensor_of(targets, feed_.place().device);
    batch_.sample_ = tensor_of(samples_);
    batch_.row = tensor_of(order);
    if (!made_by_) return;
    batch_.input.keys = at::empty({int64_t(size()), 2}, at::kLong);
    keys_.begin(all_rows(size()));
  }
  ~Pending() { feed_.never_needed(std::ranges::count(begun_, false)); }

  size_t size() const { return begun_.size(); }

  // The batch without its input, except for the keys.
  const Batch& batch() {
    keys_.finish();
    return batch_;
  }

  void begin(std::vector<int64_t> rows) {
    std::erase_if(rows, [&](int64_t row) { return bool(begun_[size_t(row)]); });
    for (const int64_t row : rows) begun_[size_t(row)] = true;
    rows_.begin(rows);
  }
  void begin_all() { begin(all_rows(size())); }

  // The input of the started rows, on the host; other rows are undefined.
  Input input() {
    rows_.finish();
    Input input = making_->join();
    input.keys = batch_.input.keys;
    return input;
  }

 private:
  void prepare(int64_t row) {
    const int64_t sample = samples_[size_t(row)];
    making_->prepare(row, sample, augment_.at(uint64_t(sample)));
  }

  void write_key(int64_t row) {
    const auto key = sample_key(*made_by_, source_, samples_[size_t(row)]);
    std::ranges::copy(key, host_items(batch_.input.keys).data() + 2 * row);
  }

  const Source& source_;
  const Feed& feed_;
  Random augment_;
  std::optional<ContentHash> made_by_;
  std::unique_ptr<Making> making_;
  std::vector<int64_t> samples_;
  Batch batch_;
  std::vector<char> begun_;
  RowWork rows_, keys_;  // the last members, so the first to be destroyed
};

// Whether to decode pixels ahead is predicted from the last batch: either the network's cache had
// all of it, or it was read. A wrong prediction costs time but changes no result.
struct Loader::Ahead {
  std::deque<std::shared_ptr<Pending>> pending;  // started, not yet returned
  bool wanted = false;                           // the last batch was read completely
  bool known = false;  // which rows are wanted is known, and not predicted

  Tensor read(Pending& batch, const std::vector<int64_t>& rows) {
    batch.begin(rows);
    if (rows.size() == batch.size() && !known) {
      wanted = true;
      for (const auto& next : pending) next->begin_all();
    }
    const Tensor pixels = batch.input().data;
    return rows == all_rows(batch.size()) ? pixels : pixels.index_select(0, tensor_of(rows));
  }
};

Loader::Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool,
               std::vector<int64_t> order, int64_t batch_size, Random augment)
    : dataset_(dataset),
      feed_(feed),
      pool_(pool),
      order_(std::move(order)),
      batch_size_(batch_size),
      augment_(augment),
      // A batch of texts is as wide as its longest, so texts cannot be prepared lazily.
      lazy_(feed.deterministic() && !dataset.source().is_text()),
      ahead_(std::make_shared<Ahead>()) {
  PATINA_REQUIRE(batch_size > 0, "batch size {}", batch_size);
  if (feed.deterministic()) made_by_ = hash_of(feed);
}

Loader::Loader(const Dataset& dataset, const Feed& feed, ThreadPool& pool, int64_t batch_size)
    : Loader(dataset, feed, pool, costliest_first(costs(feed, dataset)), batch_size, Random()) {}

// Prepared batches are dropped: an input that is read after this prepares only its own batch.
Loader::~Loader() {
  ahead_->pending.clear();
}

void Loader::prepare_only(std::function<std::pair<int64_t, int64_t>(int64_t)> rows) {
  if (dataset_.source().is_text()) return;
  only_ = std::move(rows);
  lazy_ = ahead_->known = true;
}

int64_t Loader::batches() const {
  return (int64_t(order_.size()) + batch_size_ - 1) / batch_size_;
}

void Loader::seek(int64_t index) {
  PATINA_REQUIRE(ahead_->pending.empty(), "seek after the first batch");
  next_ = started_ = index;
}

void Loader::start(bool whole) {
  const auto first = size_t(started_++ * batch_size_);
  const auto count = std::min(size_t(batch_size_), order_.size() - first);
  const auto order = std::span(order_).subspan(first, count);
  ahead_->pending.push_back(std::make_shared<Pending>(*this, order));
  if (only_) {
    const auto [from, to] = only_(int64_t(count));
    auto rows = all_rows(size_t(to - from));
    for (auto& row : rows) row += from;
    ahead_->pending.back()->begin(std::move(rows));
  } else if (whole) {
    ahead_->pending.back()->begin_all();
  }
}

std::optional<Batch> Loader::next() {
  if (next_ >= batches()) return std::nullopt;
  const bool whole = !lazy_ || std::exchange(ahead_->wanted, false);
  while (started_ < batches() && started_ <= next_ + kAhead) start(whole);
  const auto pending = ahead_->pending.front();
  ahead_->pending.pop_front();
  ++next_;
  Batch batch = pending->batch();
  if (lazy_) {
    batch.input.later = at::arange(batch.size());
    batch.input.make = [pending, ahead = ahead_, to = feed_.place()](const Tensor& rows) {
      return on(to.device, ahead->read(*pending, items_of(rows)));
    };
  } else {
    batch.input = pending->input().on(feed_.place().device);
  }
  return batch;
}

void SampleLoader::show(const Dataset& data) {
  if (shown_.empty()) return;
  for (int64_t i = 0; i < data.size(); ++i) shown_[size_t(data.position(i))] = true;
}

Dataset SampleLoader::dataset(const SampleHandles& samples) const {
  std::vector<int64_t> positions, targets;
  for (const auto& sample : samples) {
    if (sample.position_ < 0 || sample.position_ >= source_.size())
      fail(ErrorKind::state,
           "a memory holds sample {} of the training data, which have {}: they are not those it "
           "was filled from",
           sample.position_, source_.size());
    if (!shown_.empty() && !shown_[size_t(sample.position_)])
      fail(ErrorKind::state, "sample {} is asked for, and the stream has not shown it yet",
           sample.position_);
    positions.push_back(sample.position_);
    targets.push_back(sample.target_);
  }
  return {source_, std::move(positions), std::move(targets)};
}

Batch SampleLoader::operator()(const SampleHandles& samples, Random augment) const {
  const Dataset data = dataset(samples);
  PATINA_REQUIRE(data.size() > 0, "a batch of nothing");
  return *Loader(data, feed_, pool_, all_rows(size_t(data.size())), data.size(), augment).next();
}

}  // namespace patina
