// The scenarios that bench/ times: both sides of each compute the same.
#include <gtest/gtest.h>

#include "bench/fecam_scenario.h"
#include "bench/ridge_scenario.h"
#include "bench/stopwatch.h"

namespace patina::bench {
namespace {

TEST(RidgeScenario, ChoosesAndScoresAsTheDirectForm) {
  for (const int64_t dims : {400, 60}) {  // dual, primal
    const RidgeTimes times = time_ridge_fit(200, dims, 4, 17);
    EXPECT_EQ(times.penalty, times.direct_penalty) << dims;
    EXPECT_LT(times.difference, 1e-4) << dims;
    EXPECT_GT(times.direct, 0);
    EXPECT_GT(times.ours, 0);
  }
}

TEST(FecamScenario, MeasuresTheDistancesOfTheDirectForm) {
  const FecamTimes times = time_fecam_scoring(50, 70, 3);
  EXPECT_LT(times.difference, 1e-4);
  EXPECT_GT(times.direct, 0);
  EXPECT_GT(times.ours, 0);
  EXPECT_GT(times.preparing, 0);
}

TEST(Median, IsTheMiddleOfTheTimes) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({4, 1, 3, 2}), 3);
}

}  // namespace
}  // namespace patina::bench
