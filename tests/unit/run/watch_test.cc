// A run's watch passes on what it hears as seldom as the observer before it asks, and leaves
// nothing behind.
#include "patina/run/watch.h"

#include <gtest/gtest.h>

#include "tests/support/shared.h"

namespace patina {
namespace {

// Wants to hear of a part every five seconds.
class SeldomAsked : public Observer {
 public:
  void progress(const ProgressState& state) override {
    heard.push_back(fmt::format("{} {}{}", state.label, state.seconds, state.last ? " last" : ""));
  }
  double interval(double) const override { return 5; }
  void note(std::string_view text) override { heard.emplace_back(text); }
  std::vector<std::string> heard;
};

TEST(RunWatch, PassesOnAsSeldomAsTheObserverAsks) {
  const fs::path folder = scratch_folder("watch");
  SeldomAsked before;
  Work work(&before);
  {
    RunWatch watch(work, folder, 3, 0);
    EXPECT_EQ(work.observer, &watch);
    EXPECT_EQ(watch.interval(100), 1) << "for progress.json";
    for (const double seconds : {2.0, 4.9, 5.0, 9.0, 10.5})
      work.observer->progress({.label = "task 1", .unit = "images", .done = 1, .seconds = seconds});
    work.observer->progress({.label = "short", .seconds = 3});
    work.observer->progress({.label = "short", .seconds = 4, .last = true});
    work.observer->progress({.label = "task 1", .seconds = 11, .last = true});
    work.observer->note("said");
  }
  EXPECT_EQ(before.heard,
            (std::vector<std::string>{"task 1 5", "task 1 10.5", "task 1 11 last", "said"}));
  EXPECT_EQ(work.observer, &before);
}

TEST(RunWatch, SaysHowTheRunGoesWhileItGoes) {
  const fs::path folder = scratch_folder("watch-progress");
  Work work;
  {
    RunWatch watch(work, folder, 3, 40);
    watch.learned(1, "task 2");
    const auto progress = read_progress(folder);
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->tasks, 3);
    EXPECT_EQ(progress->learned, 1);
    EXPECT_EQ(progress->part, "task 2");
    EXPECT_GE(progress->run_seconds, 40) << "with those of earlier processes";
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(RunWatch, WithoutAPlaceForEventsTheRunGoesOn) {
  const fs::path folder = scratch_folder("watch-none") / "nowhere";
  SeldomAsked before;
  Work work(&before);
  RunWatch watch(work, folder, 3, 0);
  watch.write_events("", /*resumed=*/false);
  tell_loss(0, 1.5);
  watch.learned(1, "task 2");
}

TEST(LossScope, TheInnermostHears) {
  std::vector<double> outer, inner;
  tell_loss(0, 1);
  const LossScope first([&](int64_t, double loss) { outer.push_back(loss); });
  tell_loss(1, 2);
  {
    const LossScope second(
        [&](int64_t step, double loss) { inner.push_back(double(step) + loss); });
    tell_loss(2, 0.5);
  }
  tell_loss(3, 4);
  EXPECT_EQ(outer, (std::vector<double>{2, 4}));
  EXPECT_EQ(inner, (std::vector<double>{2.5}));
}

}  // namespace
}  // namespace patina
