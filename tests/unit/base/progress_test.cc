// Progress: what an observer is told, and what the console makes of it.
#include "patina/base/progress.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "patina/base/console.h"

namespace patina {
namespace {

std::string printed(const ProgressState& state) {
  Console console(true);
  testing::internal::CaptureStderr();
  console.progress(state);
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, SpeedAndTimeLeftOfTheConsole) {
  EXPECT_EQ(
      printed(
          {.label = "task 1: training", .unit = "images", .done = 50, .total = 90, .seconds = 10}),
      "task 1: training: 50/90 images, 5.00 a second, 8.0 s left\n");
  EXPECT_EQ(printed({.label = "task 1: training",
                     .unit = "images",
                     .note = "loss 0.31",
                     .done = 90,
                     .total = 90,
                     .seconds = 75,
                     .last = true}),
            "task 1: training: 90/90 images, 1.20 a second, loss 0.31, 1 min 15 s\n");
}

// What an earlier process did says nothing of the speed of this one.
TEST(Progress, OfAResumedRun) {
  EXPECT_EQ(printed({.label = "task 1: training",
                     .unit = "images",
                     .done = 60,
                     .total = 100,
                     .earlier = 50,
                     .seconds = 10}),
            "task 1: training: 60/100 images, 1.00 a second, 40.0 s left\n");
}

TEST(Progress, TellsHowMuchWasDoneBefore) {
  struct Listener : Observer {
    void progress(const ProgressState& state) override { told.push_back(state); }
    std::vector<ProgressState> told;
  } listener;
  Work work(&listener);
  const WorkScope scope(&work);
  Progress progress("part", 10, "steps");
  progress.resume(6);
  std::this_thread::sleep_for(std::chrono::milliseconds(2050));  // silent until then
  progress.advance(2);
  ASSERT_EQ(listener.told.size(), 1u);
  EXPECT_EQ(listener.told[0].done, 8);
  EXPECT_EQ(listener.told[0].earlier, 6);
}

}  // namespace
}  // namespace patina
