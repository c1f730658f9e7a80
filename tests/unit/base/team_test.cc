#include "patina/base/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace patina {
namespace {

TEST(Team, DoesEveryPieceOnceInLoopsOfAnyLength) {
  for (const int threads : {1, 2, 3, 7}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (int64_t loop = 0; loop < 3000; ++loop) {
      const int64_t pieces = loop % 37;
      std::vector<int> done(size_t(pieces), 0);
      team.run(pieces, [&](int64_t i) { ++done[size_t(i)]; });
      for (const int times : done) ASSERT_EQ(times, 1) << threads << " threads, loop " << loop;
    }
  }
}

TEST(Team, SeesWhatTheLoopBeforeWrote) {
  Team team(4);
  std::vector<int64_t> numbers(64, 0);
  for (int loop = 0; loop < 2000; ++loop)  // every piece reads another thread's neighbour
    team.run(64, [&, before = numbers](int64_t i) {
      numbers[size_t(i)] = before[size_t((i + 17) % 64)] + 1;
    });
  for (const int64_t number : numbers) EXPECT_EQ(number, 2000);
}

TEST(Team, WakesUpAfterAPause) {
  Team team(2);
  for (int loop = 0; loop < 5; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    std::atomic<int> done{0};
    team.run(8, [&](int64_t) { ++done; });
    EXPECT_EQ(done, 8);
  }
}

TEST(Team, WorksAloneInsideOfItsWork) {
  Team team(3);
  std::atomic<int> done{0};
  team.run(6, [&](int64_t) {
    const auto self = std::this_thread::get_id();
    team.run(5, [&](int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      ++done;
    });
  });
  EXPECT_EQ(done, 30);
}

TEST(Team, ServesTwoCallersAtOnce) {
  Team team(2);
  std::atomic<int64_t> sum{0};
  const auto call = [&] {
    for (int loop = 0; loop < 500; ++loop) team.run(10, [&](int64_t i) { sum += i; });
  };
  std::thread other(call);
  call();
  other.join();
  EXPECT_EQ(sum, 2 * 500 * 45);
}

TEST(Team, RethrowsAndGoesOn) {
  Team team(2);
  for (int loop = 0; loop < 50; ++loop) {
    std::atomic<int> done{0};
    EXPECT_THROW(team.run(20,
                          [&](int64_t i) {
                            ++done;
                            if (i == 13) throw std::runtime_error("thirteen");
                          }),
                 std::runtime_error);
    EXPECT_EQ(done, 20) << "the others are done all the same";
  }
  int done = 0;
  team.run(1, [&](int64_t) { ++done; });
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace patina
