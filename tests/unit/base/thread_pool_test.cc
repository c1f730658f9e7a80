// The thread pool: everything runs once, and which error a caller sees does not depend on timing.
#include "patina/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "patina/base/cores.h"

namespace patina {
namespace {

TEST(ThreadPool, RunsEveryItemOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    std::vector<std::atomic<int>> runs(1000);
    pool.for_each(1000, [&](int64_t i) { ++runs[size_t(i)]; });
    for (const auto& count : runs) EXPECT_EQ(count, 1);
    pool.for_each(0, [](int64_t) { FAIL(); });
  }
}

TEST(ThreadPool, HasAThreadForEachUsableCore) {
  EXPECT_EQ(ThreadPool().threads(), usable_cores());
}

TEST(ThreadPool, RethrowsTheLowestFailure) {
  ThreadPool pool(4);
  for (int attempt = 0; attempt < 20; ++attempt) {
    try {
      pool.for_each(100, [](int64_t i) {
        if (i == 5) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        if (i >= 5) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "5");
    }
  }
  std::atomic<int> after{0};
  pool.for_each(10, [&](int64_t) { ++after; });
  EXPECT_EQ(after, 10);
}

TEST(ThreadPool, FinishesWhatWasSubmitted) {
  std::atomic<int> done{0};
  {
    ThreadPool pool(2);
    for (int i = 0; i < 50; ++i) pool.submit([&] { ++done; });
  }
  EXPECT_EQ(done, 50);
}

}  // namespace
}  // namespace patina
