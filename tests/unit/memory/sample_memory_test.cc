// Which samples a memory keeps: by its policy, unchanged by interruptions, and evenly distributed.
#include "patina/memory/sample_memory.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "patina/data/sample_access.h"
#include "patina/memory/herding.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

using Policy = SampleMemory::Policy;

std::map<int64_t, int64_t> by_class(const SampleMemory& memory) {
  std::map<int64_t, int64_t> counts;
  for (const auto& sample : memory.samples()) ++counts[sample.target()];
  return counts;
}

std::vector<int64_t> positions(const SampleMemory& memory) {
  std::vector<int64_t> list;
  for (const auto& sample : memory.samples()) list.push_back(SampleAccess::position(sample));
  return list;
}

SampleMemory continued(SampleMemory& memory, Policy policy, Random random) {
  const auto path = scratch_folder("memory") / "state";
  Archive save;
  memory.state(save);
  save.write(path);
  SampleMemory next(memory.capacity(), policy, random);
  Archive load = Archive::read(path);
  next.state(load);
  return next;
}

// Chi-squared of how often each of 100 samples is among the 20 kept, over 500 streams; the memory
// is stopped and continued halfway. 99 degrees of freedom: above 149 once in a thousand.
TEST(Reservoir, KeepsEverySampleAlikeAlsoWhenItIsStopped) {
  constexpr int64_t kSamples = 100, kCapacity = 20, kStreams = 500;
  std::vector<int64_t> kept(kSamples);
  for (uint64_t stream = 0; stream < kStreams; ++stream) {
    const Random random = Seeds(stream)("memory");
    SampleMemory memory(kCapacity, Policy::reservoir, random);
    for (int64_t i = 0; i < kSamples / 2; ++i) memory.offer(SampleAccess::handle(i, 0));
    SampleMemory rest = continued(memory, Policy::reservoir, random);
    for (int64_t i = kSamples / 2; i < kSamples; ++i) rest.offer(SampleAccess::handle(i, 0));
    ASSERT_EQ(rest.size(), kCapacity);
    for (const int64_t position : positions(rest)) ++kept[size_t(position)];
  }
  const double expected = double(kStreams * kCapacity) / kSamples;
  double chi = 0;
  for (const int64_t count : kept) chi += (double(count) - expected) * (double(count) - expected);
  // Draws without replacement vary less: by the factor 1 - capacity / samples.
  EXPECT_LT(chi / expected / (1 - double(kCapacity) / kSamples), 149);
}

TEST(SampleMemory, IsTheSameHoweverOftenItIsStopped) {
  for (const auto& name : memory_policies()) {
    const Policy policy = memory_policy(name);
    const Random random = Seeds(4)("memory");
    SampleMemory whole(10, policy, random), pieces(10, policy, random);
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t target = i * i % 7;
      whole.offer(SampleAccess::handle(i, target));
      pieces.offer(SampleAccess::handle(i, target));
      if (i % 13 == 0) pieces = continued(pieces, policy, random);
    }
    EXPECT_EQ(positions(whole), positions(pieces)) << name;
    EXPECT_EQ(by_class(whole), by_class(pieces)) << name;
  }
}

TEST(SampleMemory, SharesItsRoomAmongClassesWherePromised) {
  for (const auto policy : {Policy::balanced, Policy::greedy}) {
    SampleMemory memory(30, policy, Seeds(1)("memory"));
    for (int64_t i = 0; i < 900; ++i) memory.offer(SampleAccess::handle(i, 0));
    for (int64_t i = 900; i < 940; ++i) memory.offer(SampleAccess::handle(i, 1));
    for (int64_t i = 940; i < 1000; ++i) memory.offer(SampleAccess::handle(i, 2));
    for (const auto& [c, count] : by_class(memory)) EXPECT_NEAR(count, 10, 1) << "class " << c;
    // A class with few samples keeps all of them.
    memory.offer(SampleAccess::handle(1000, 3));
    EXPECT_EQ(by_class(memory)[3], 1);
  }
}

TEST(SampleMemory, GivesUpTheOldestOfARing) {
  SampleMemory memory(3, Policy::ring, Seeds(1)("memory"));
  for (int64_t i = 0; i < 8; ++i)
    EXPECT_EQ(memory.offer(SampleAccess::handle(i, 0)), size_t(i % 3));
  EXPECT_EQ(positions(memory), (std::vector<int64_t>{6, 7, 5}));
}

TEST(SampleMemory, DrawsWithoutReplacement) {
  SampleMemory memory(20, Policy::reservoir, Seeds(1)("memory"));
  for (int64_t i = 0; i < 20; ++i) memory.offer(SampleAccess::handle(i, 0));
  std::vector<int64_t> drawn(20);
  for (uint64_t i = 0; i < 400; ++i) {
    const auto slots = memory.draw(5, Seeds(2)("draw", i));
    EXPECT_EQ(std::set<size_t>(slots.begin(), slots.end()).size(), 5u);
    for (const size_t slot : slots) ++drawn[slot];
  }
  for (const int64_t count : drawn) EXPECT_NEAR(count, 100, 45);
  EXPECT_EQ(memory.draw(50, Seeds(2)("draw")).size(), 20u);
}

// By definition: of all remaining samples the one that brings the mean nearest.
TEST(Herding, FollowsTheMeanAndAShorterListIsAPrefix) {
  Random random = Seeds(3)("features");
  Tensor features = at::empty({12, 5});
  nn::init_normal(features, random, 0, 1);
  const Tensor rows = normalized(features.to(at::kDouble));
  std::vector<int64_t> chosen;
  for (int64_t k = 1; k <= 6; ++k) {
    int64_t best = -1;
    double least = 1e9;
    for (int64_t i = 0; i < 12; ++i) {
      if (std::ranges::count(chosen, i)) continue;
      Tensor mean = rows[i].clone();
      for (const int64_t j : chosen) mean += rows[j];
      const double distance = (mean / double(k) - rows.mean(0)).norm().item<double>();
      if (distance < least) least = distance, best = i;
    }
    chosen.push_back(best);
  }
  EXPECT_EQ(herded(features, 6), chosen);
  chosen.resize(3);
  EXPECT_EQ(herded(features, 3), chosen);
  EXPECT_EQ(herded(features, 50).size(), 12u);
}

}  // namespace
}  // namespace patina
