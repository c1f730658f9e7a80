#include "patina/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "patina/base/cores.h"
#include "patina/base/work.h"

namespace patina {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> tasks;
  bool stopping = false;
  std::vector<std::thread> workers;

  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || !tasks.empty(); });
        if (tasks.empty()) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = usable_cores();
  for (int i = 0; i < threads; ++i) state_->workers.emplace_back([this] { state_->work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const {
  return int(state_->workers.size());
}

void ThreadPool::submit(std::function<void()> task) {
  {
    std::lock_guard lock(state_->mutex);
    state_->tasks.push_back([work = current_work(), task = std::move(task)] {
      const WorkScope scope(work);
      task();
    });
  }
  state_->wake.notify_one();
}

void ThreadPool::for_each(int64_t count, const std::function<void(int64_t)>& body) {
  struct Shared {
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::condition_variable finished;
    int active = 0;
    int64_t failed = -1;
    std::exception_ptr error;
  } shared;
  if (count <= 0) return;
  const int helpers = int(std::min<int64_t>(threads(), count));
  shared.active = helpers;
  for (int helper = 0; helper < helpers; ++helper) {
    submit([&shared, &body, count] {
      for (int64_t i; (i = shared.next++) < count;) {
        try {
          body(i);
        } catch (...) {
          // Items below a failed one still run, so the error of the lowest index is always the one
          // reported.
          std::lock_guard lock(shared.mutex);
          if (shared.failed < 0 || i < shared.failed) {
            shared.failed = i;
            shared.error = std::current_exception();
          }
          shared.next = count;
        }
      }
      std::lock_guard lock(shared.mutex);
      if (--shared.active == 0) shared.finished.notify_one();
    });
  }
  std::unique_lock lock(shared.mutex);
  shared.finished.wait(lock, [&] { return shared.active == 0; });
  if (shared.error) std::rethrow_exception(shared.error);
}

}  // namespace patina
