#include "patina/base/team.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr int kSpins = 200;    // a few microseconds
constexpr int kYields = 2000;  // a millisecond if no other thread wants the core

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Whether `ready` became true within kSpins and kYields attempts.
template <class Ready>
bool waited(const Ready& ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
    pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (ready()) return true;
    std::this_thread::yield();
  }
  return false;
}

thread_local bool working = false;  // this thread runs a team's loop: a nested loop runs here alone

}  // namespace

struct Team::State {
  // A member's remaining pieces: the loop's number in the upper half, the count in the lower half.
  // A thread that decrements the count owns one piece. The loop cannot end before that piece is
  // done, so until then the thread may read the loop's other members.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
    int64_t first = 0;
  };

  explicit State(int threads) : shares(size_t(threads)) {
    for (int member = 1; member < threads; ++member)
      members.emplace_back([this, member] { serve(size_t(member)); });
  }
  ~State() {
    stopping = true;
    loop.fetch_add(1);
    loop.notify_all();
    for (auto& member : members) member.join();
  }

  void serve(size_t member) {
    working = true;
    uint32_t last = 0;
    while (true) {
      const auto called = [&] { return loop.load(std::memory_order_acquire) != last; };
      if (!waited(called)) loop.wait(last, std::memory_order_acquire);
      last = loop.load(std::memory_order_acquire);
      if (stopping) return;
      take_part(member, last);
    }
  }

  // Runs the member's own share first, then pieces of the other shares.
  void take_part(size_t member, uint32_t number) {
    for (size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(member + i) % shares.size()];
      uint64_t left = share.left.load(std::memory_order_acquire);
      while (uint32_t(left >> 32) == number && uint32_t(left) > 0) {
        if (!share.left.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel)) continue;
        do_piece(share.first + int64_t(uint32_t(left)) - 1);
        left = share.left.load(std::memory_order_acquire);
      }
    }
  }

  void do_piece(int64_t piece) {
    try {
      (*work)(piece);
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
    }
    undone.fetch_sub(1, std::memory_order_acq_rel);
  }

  void run(int64_t pieces, const std::function<void(int64_t)>& body) {
    const uint32_t number = loop.load(std::memory_order_relaxed) + 1;
    const auto count = int64_t(shares.size());
    work = &body;
    failure = nullptr;
    undone.store(pieces, std::memory_order_relaxed);
    for (int64_t i = 0; i < count; ++i) {
      Share& share = shares[size_t(i)];
      share.first = pieces * i / count;
      const int64_t size = pieces * (i + 1) / count - share.first;
      share.left.store(uint64_t(number) << 32 | uint64_t(size), std::memory_order_release);
    }
    loop.store(number, std::memory_order_release);
    loop.notify_all();
    working = true;
    take_part(0, number);
    while (!waited([&] { return undone.load(std::memory_order_acquire) == 0; })) {
    }
    working = false;
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }

  std::vector<Share> shares;
  std::atomic<uint32_t> loop{0};  // number of the newest loop
  std::atomic<int64_t> undone{0};
  const std::function<void(int64_t)>* work = nullptr;
  std::mutex failing;
  std::exception_ptr failure;
  std::atomic<bool> stopping{false};
  std::mutex calling;
  std::vector<std::thread> members;
};

Team::Team(int threads) {
  PATINA_REQUIRE(threads >= 1, "a team of {} threads", threads);
  state_ = std::make_unique<State>(threads);
}
Team::~Team() = default;

int Team::threads() const {
  return int(state_->shares.size());
}

void Team::run(int64_t pieces, const std::function<void(int64_t)>& work) {
  PATINA_REQUIRE(pieces >= 0 && pieces < int64_t{1} << 31, "a loop of {} pieces", pieces);
  if (!working && pieces > 1 && threads() > 1) {
    const std::unique_lock lock(state_->calling, std::try_to_lock);
    if (lock) return state_->run(pieces, work);
  }
  for (int64_t i = 0; i < pieces; ++i) work(i);
}

}  // namespace patina
