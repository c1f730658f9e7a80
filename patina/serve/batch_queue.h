// Requests of many clients are answered in batches: one pass over eight images costs much less than
// eight passes.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace patina::serve {

struct BatchOptions {
  int64_t max_batch = 32;  // items in a batch; a request with more is a batch alone
  double max_wait_ms = 2;  // how long a free worker waits for more items after the first
  int64_t capacity = 256;  // items that wait; beyond it requests are refused
};

/// Collects the items of several requests that have the same `kind` into batches, in the order in
/// which they came, and hands every request the results of its own. A request waits at most
/// `max_wait_ms` longer than it would alone, and the batches in front of it. Thread-safe.
template <class Item, class Result>
class BatchQueue {
 public:
  /// Returns a result for every item, in order.
  using Work = std::function<std::vector<Result>(std::vector<Item>&)>;
  using Answer = std::future<std::vector<Result>>;

  BatchQueue(BatchOptions options, Work work)
      : options_(options), work_(std::move(work)), worker_([this] { run(); }) {}
  /// Answers what was taken, then ends.
  ~BatchQueue() { stop(); }
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  /// The results to come; nothing if the queue is full or was stopped. An empty queue takes a
  /// request of any size. What `work` throws of a request, its future throws.
  std::optional<Answer> push(std::vector<Item> items, const std::string& kind) {
    Request request{.kind = kind, .came = Clock::now()};
    const auto count = int64_t(items.size());
    request.items = std::move(items);
    Answer answer = request.results.get_future();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || (waiting_ > 0 && waiting_ + count > options_.capacity)) return std::nullopt;
      waiting_ += count;
      requests_.push_back(std::move(request));
    }
    changed_.notify_one();
    return answer;
  }

  /// Items that wait for their batch.
  int64_t length() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
    }
    changed_.notify_one();
    worker_.join();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Request {
    std::string kind;
    Clock::time_point came;
    std::vector<Item> items = {};
    std::promise<std::vector<Result>> results = {};
  };

  // The items of a batch that begins with the first request, as far as they have come.
  int64_t ready() const {
    int64_t items = 0;
    for (const auto& request : requests_)
      if (request.kind == requests_.front().kind) items += int64_t(request.items.size());
    return items;
  }

  std::vector<Request> take() {
    std::vector<Request> batch;
    int64_t items = 0;
    for (auto at = requests_.begin(); at != requests_.end();) {
      const auto count = int64_t(at->items.size());
      if (!batch.empty() && at->kind != batch.front().kind) {
        ++at;
        continue;
      }
      if (!batch.empty() && items + count > options_.max_batch) break;
      items += count;
      batch.push_back(std::move(*at));
      at = requests_.erase(at);
    }
    waiting_ -= items;
    return batch;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
      if (requests_.empty()) return;
      const auto until = requests_.front().came +
                         std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double, std::milli>(options_.max_wait_ms));
      changed_.wait_until(lock, until,
                          [this] { return stopping_ || ready() >= options_.max_batch; });
      auto batch = take();
      lock.unlock();
      answer(batch);
      lock.lock();
    }
  }

  void answer(std::vector<Request>& batch) {
    if (batch.size() == 1) return answer_alone(batch.front());
    std::vector<Item> items;
    for (auto& request : batch) std::ranges::move(request.items, std::back_inserter(items));
    // Calls body(request, the index of its first item).
    const auto each = [&](const auto& body) {
      size_t at = 0;
      for (auto& request : batch) {
        body(request, std::ptrdiff_t(at));
        at += request.items.size();
      }
    };
    const auto part = [](auto& all, std::ptrdiff_t at, const Request& request) {
      const auto first = std::move_iterator(all.begin() + at);
      return std::pair(first, first + std::ptrdiff_t(request.items.size()));
    };
    try {
      std::vector<Result> results = work_(items);
      each([&](Request& request, std::ptrdiff_t at) {
        const auto [first, last] = part(results, at, request);
        request.results.set_value({first, last});
      });
    } catch (...) {
      // One request's fault is not the others': each is answered alone.
      each([&](Request& request, std::ptrdiff_t at) {
        std::ranges::copy(part(items, at, request).first, part(items, at, request).second,
                          request.items.begin());
      });
      for (auto& request : batch) answer_alone(request);
    }
  }

  void answer_alone(Request& request) {
    try {
      request.results.set_value(work_(request.items));
    } catch (...) {
      request.results.set_exception(std::current_exception());
    }
  }

  const BatchOptions options_;
  const Work work_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  int64_t waiting_ = 0;
  bool stopping_ = false;
  std::thread worker_;  // the last member: it uses the others
};

}  // namespace patina::serve
