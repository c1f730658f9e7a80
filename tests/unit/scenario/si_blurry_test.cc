// Which samples Si-Blurry moves between its stretches: how many for every seed; and the authors'
// sampler, compared with a plain version of its steps.
#include <gtest/gtest.h>

#include <deque>
#include <numeric>

#include "patina/data/sample_access.h"
#include "patina/scenario/rules.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

using Numbers = std::vector<int64_t>;

// T-1 cut points of [0,n), sorted, between 0 and n.
Numbers cut_points(int64_t n, int64_t tasks, Random random) {
  Numbers points = {0, n};
  for (int64_t i = 1; i < tasks; ++i) points.push_back(n == 0 ? 0 : int64_t(random.below(n)));
  std::sort(points.begin(), points.end());
  return points;
}

int64_t sum(const Numbers& list) {
  return std::accumulate(list.begin(), list.end(), int64_t{0});
}

// Cuts of 10, 35, 0 and 15; the first stretch has no blurry sample, the last too few.
const Numbers kHas = {0, 50, 30, 5}, kCuts = {0, 10, 45, 45, 60};

TEST(SiBlurry, OthersGiveWhatAStretchLacks) {
  const Spill moved = full_spill(kHas, kCuts);
  EXPECT_EQ(moved.takes, (Numbers{10, 35, 0, 15}));
  // 20 are missing; the second stretch has 15 left, the third 30.
  EXPECT_EQ(moved.gives, (Numbers{0, 35 + 6, 0 + 14, 5}));
}

TEST(SiBlurry, NobodyDoesInTheOriginalAndThePoolRunsOut) {
  const Spill moved = capped_spill(kHas, kCuts);
  EXPECT_EQ(moved.gives, (Numbers{0, 35, 0, 5}));
  EXPECT_EQ(moved.takes, (Numbers{10, 30, 0, 0}));
}

TEST(SiBlurry, SpillsExactlyWhatItIsAskedToForEverySeed) {
  int short_of_some = 0;
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const Seeds seeds(seed);
    Random random = seeds("sizes");
    const auto tasks = int64_t(1 + random.below(8)), blurry = int64_t(random.below(400));
    const auto spilled = int64_t(random.below(uint64_t(blurry) + 1));
    Numbers has(static_cast<size_t>(tasks));
    const Numbers borders = cut_points(blurry, tasks, seeds("borders"));
    for (size_t t = 0; t < has.size(); ++t) has[t] = borders[t + 1] - borders[t];
    const Numbers cuts = cut_points(spilled, tasks, seeds("cuts"));
    const Spill moved = full_spill(has, cuts);
    EXPECT_EQ(sum(moved.gives), spilled) << "seed " << seed;
    for (size_t t = 0; t < has.size(); ++t) {
      EXPECT_EQ(moved.takes[t], cuts[t + 1] - cuts[t]);
      EXPECT_GE(moved.gives[t], std::min(moved.takes[t], has[t]));
      EXPECT_LE(moved.gives[t], has[t]);
    }
    short_of_some += moved.gives != moved.takes;
  }
  EXPECT_GT(short_of_some, 200) << "some stretch has too few";
}

class SiBlurryStream : public testing::TestWithParam<double> {
 protected:
  static constexpr int64_t kClasses = 23, kPerClass = 30, kTasks = 4;

  ScenarioOptions options(uint64_t seed) const {
    return {.name = "si_blurry",
            .class_order_seed = -1,
            .blurry_tasks = kTasks,
            .blurry_percent = GetParam(),
            .stream_seed = int64_t(seed)};
  }
  static Numbers positions(const Scenario& scenario, int task) {
    const Dataset& train = scenario.train(task);
    Numbers list;
    for (int64_t i = 0; i < train.size(); ++i) list.push_back(SampleAccess::position(train, i));
    std::sort(list.begin(), list.end());
    return list;
  }
  // The samples of the classes from `first` to `first + borders.back()`, by stretch, in file order.
  static std::vector<std::deque<int64_t>> placed(int64_t first, const Numbers& borders) {
    std::vector<std::deque<int64_t>> stretches(size_t{kTasks});
    for (int64_t i = 0; i < kClasses * kPerClass; ++i)
      for (size_t t = 0; t < stretches.size(); ++t)
        if (const int64_t c = i % kClasses - first; c >= borders[t] && c < borders[t + 1])
          stretches[t].push_back(i);
    return stretches;
  }

  const DataSplits data_ = toy_data(kClasses, kPerClass, 1);
};

// A stretch has its own samples, less those it gives, plus those it takes; also if it has no blurry
// classes.
TEST_P(SiBlurryStream, EveryStretchTakesItsCut) {
  const int64_t disjoint = kClasses / 2, blurry = kClasses - disjoint;
  const auto spilled = int64_t(double(blurry * kPerClass) * GetParam() / 100);
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const Scenario scenario = make_scenario(options(seed), data_);
    const Seeds seeds(seed);
    const Numbers borders = cut_points(blurry, kTasks, seeds("blurry")),
                  cuts = cut_points(spilled, kTasks, seeds("spill"));
    for (int t = 0; t < kTasks; ++t) {
      int64_t now = 0;
      for (const int64_t i : positions(scenario, t)) now += i % kClasses >= disjoint;
      const int64_t has = (borders[size_t(t) + 1] - borders[size_t(t)]) * kPerClass,
                    cut = cuts[size_t(t) + 1] - cuts[size_t(t)], gave = has + cut - now;
      EXPECT_GE(gave, std::min(has, cut)) << "stretch " << t << " of seed " << seed;
      EXPECT_LE(gave, has) << "stretch " << t << " of seed " << seed;
    }
  }
}

// Sample by sample: each stretch gives from the front of its list, in file order, and takes from
// the front of the shuffled pool.
TEST_P(SiBlurryStream, TheOriginalIsTheAuthorsSampler) {
  const int64_t disjoint = kClasses / 2 / kTasks * kTasks,
                blurry = (kClasses - disjoint) / kTasks * kTasks;
  const auto spilled = int64_t(double(blurry * kPerClass) * GetParam() / 100);
  int empty = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    ScenarioOptions original = options(seed);
    original.compat = "original";
    const Scenario scenario = make_scenario(original, data_);
    const Seeds seeds(seed);
    const Numbers cuts = cut_points(spilled, kTasks, seeds("spill"));
    auto whole = placed(0, cut_points(disjoint, kTasks, seeds("disjoint")));
    auto parts = placed(disjoint, cut_points(blurry, kTasks, seeds("blurry")));
    Numbers pool;
    for (size_t t = 0; t < parts.size(); ++t) {
      empty += parts[t].empty();
      for (int64_t n = cuts[t]; n < cuts[t + 1] && !parts[t].empty(); ++n) {
        pool.push_back(parts[t].front());
        parts[t].pop_front();
      }
    }
    Random random = seeds("pool");
    random.shuffle(std::span(pool));
    for (size_t t = 0, next = 0; t < parts.size(); ++t) {
      for (int64_t n = cuts[t]; n < cuts[t + 1] && next < pool.size(); ++n)
        parts[t].push_back(pool[next++]);
      Numbers expected(whole[t].begin(), whole[t].end());
      expected.insert(expected.end(), parts[t].begin(), parts[t].end());
      std::sort(expected.begin(), expected.end());
      EXPECT_EQ(positions(scenario, int(t)), expected) << "stretch " << t << " of seed " << seed;
    }
  }
  EXPECT_GT(empty, 20) << "stretches without blurry classes";
}

INSTANTIATE_TEST_SUITE_P(, SiBlurryStream, testing::Values(10.0, 35.0, 100.0),
                         [](const auto& info) { return "M" + std::to_string(int(info.param)); });

}  // namespace
}  // namespace patina
