// A thread pool for decoding and resizing. Results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace patina {

class ThreadPool {
 public:
  /// `threads` >= 1; 0 asks for one per usable core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  /// Calls body(i) for each i in [0, count) and waits. The exception of the lowest i is rethrown,
  /// so the error does not depend on timing.
  void for_each(int64_t count, const std::function<void(int64_t)>& body);

  /// Queues one task. It must not throw.
  void submit(std::function<void()> task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina
