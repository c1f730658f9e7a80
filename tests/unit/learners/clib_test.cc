// CLIB, compared with its paper and its authors' code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "patina/learners/online/adaptive_rate.h"
#include "patina/learners/online/importance_memory.h"
#include "patina/ops.h"
#include "tests/support/toy_course.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

const TrainingOptions kOnce{
    .epochs = 1,
    .batch_size = 4,
    .optimizer = {.optimizer = "adam", .lr = 0.003, .schedule = "constant"}};

// What the learner's state contains about the memory.
struct Kept {
  std::vector<int64_t> positions;
  std::vector<double> importance;
  void state(Archive& a) {
    a("positions", positions);
    a("importance", importance);
  }
};
struct ClibState {
  Kept memory;
  std::vector<double> losses;
  int64_t steps = 0;

  explicit ClibState(Learner& learner) {
    Archive archive;
    learner.state(archive);
    auto stored = std::move(archive).reopened();
    stored("memory", memory);
    stored("since_look", *this);
    stored("steps", steps);
  }
  void state(Archive& a) { a("losses", losses); }
};

std::vector<int64_t> rows_of(const Dataset& data, int64_t target) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < data.size(); ++i)
    if (data.target(i) == target) rows.push_back(i);
  return rows;
}

TEST(ImportanceMemory, CreditsWhatTheOthersGain) {
  const ToySource source(2, 4);
  const Dataset data = whole(source);
  ImportanceMemory memory(4);
  for (const int64_t i : {0, 2, 4}) memory.add(data.handle(i));
  // H <- H - 0.1 (D - mean(H) / n)
  memory.credit({0, 1}, -2, 0.9);
  EXPECT_NEAR(memory.importance(0), 0.2, 1e-12);
  EXPECT_NEAR(memory.importance(2), 0, 1e-12);
  // Three draws of two slots: their mean counts each draw, and each slot is credited once.
  memory.credit({1, 2, 1}, -1, 0.9);
  const double mean = (0.2 + 0 + 0.2) / 3;
  EXPECT_NEAR(memory.importance(1), 0.2 + 0.1 * (1 + mean / 3), 1e-12);
  EXPECT_NEAR(memory.importance(2), 0.1 * (1 + mean / 3), 1e-12);
}

TEST(ImportanceMemory, TakesANewSampleForAsImportantAsItsClass) {
  const ToySource source(3, 12);
  const Dataset data = whole(source);
  ImportanceMemory memory(4);
  for (const int64_t i : {0, 3, 6, 1}) memory.add(data.handle(i));
  // From 0, a credit of one slot with keep 0 gives minus the change.
  const double start[] = {1, 2, 3, 8};
  for (size_t slot = 0; slot < 4; ++slot) memory.credit({slot}, -start[slot], 0);
  // Class 0 is the largest: its least important sample is replaced, and the new one starts with the
  // mean of the other two.
  EXPECT_EQ(memory.add(data.handle(9)), 0u);
  EXPECT_EQ(memory.importance(0), 2.5);
  EXPECT_EQ(memory.add(data.handle(12)), 1u) << "not the newest";
  EXPECT_EQ(memory.importance(1), 2.75);
  // The first sample of class 2 starts with the mean of all.
  EXPECT_EQ(memory.add(data.handle(2)), 0u);
  EXPECT_EQ(memory.importance(0), (2.5 + 2.75 + 3 + 8) / 4);
  EXPECT_EQ(memory.samples()[0].target(), 2);
}

// If a new sample started at 0, it would be the least important of its class, whose losses fall,
// and the next sample would replace it.
TEST(Clib, ReplacesMoreThanOneSampleOfALargeClass) {
  ToyCourse toy("clib", {"memory=4", "memory_batch=2", "adapt_rate=false"}, "online_hard", kOnce);
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const Dataset& train = *toy.task->train;
  const auto rows = rows_of(train, 0);
  ASSERT_EQ(rows.size(), 12u);
  std::vector<int64_t> first;
  for (size_t i = 0; i < rows.size(); ++i) {
    toy.learner->observe(toy.batch(train.select({rows[i]})), toy.trainer);
    if (i == 3) first = ClibState(*toy.learner).memory.positions;
  }
  int64_t replaced = 0;
  const auto last = ClibState(*toy.learner).memory.positions;
  for (size_t slot = 0; slot < 4; ++slot) replaced += first[slot] != last[slot];
  EXPECT_GT(replaced, 1);
}

TEST(Clib, ObservesEachSampleOnceWhereTheyMayBeReadAgain) {
  ToyCourse toy("clib", {"memory=5"}, "class_incremental", kOnce);
  for (const int64_t steps : {24, 48}) {
    toy.learn();
    const ClibState state(*toy.learner);
    EXPECT_EQ(state.steps, steps) << "one for each sample";
    EXPECT_EQ(state.memory.positions.size(), 5u);
  }
}

TEST(Clib, CreditsEveryStepSinceTheLastLook) {
  ToyCourse toy("clib", {"memory=4", "memory_batch=1", "importance_every=4"}, "online_hard", kOnce);
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const Dataset& train = *toy.task->train;
  const auto rows = rows_of(train, 0), others = rows_of(train, 1);
  const auto observe = [&](const std::vector<int64_t>& some) {
    for (const int64_t row : some)
      toy.learner->observe(toy.batch(train.select({row})), toy.trainer);
  };
  observe({rows[0], rows[1], others[0], others[1]});
  EXPECT_EQ(ClibState(*toy.learner).memory.importance, std::vector<double>(4)) << "nothing known";
  observe({rows[2], others[2], rows[3], others[3]});
  int64_t credited = 0;
  for (const double h : ClibState(*toy.learner).memory.importance) credited += h != 0;
  EXPECT_GT(credited, 1) << "of four slots in four steps";
}

// Half of the training images are flipped.
TEST(Clib, LooksAtLossesWithoutAugmentation) {
  ToyLearning toy("clib", "memory = 16\nimportance_every = 16",
                  {.epochs = 1,
                   .batch_size = 16,
                   .optimizer = {.optimizer = "adam", .lr = 1e-9, .schedule = "constant"}});
  toy.learn();
  const auto state = ClibState(*toy.learner);
  ASSERT_EQ(state.losses.size(), 16u);
  std::map<int64_t, double> loss_of;
  toy.trainer.each_batch(*toy.task->train, "losses", [&](const Batch& batch) {
    const Tensor loss =
        -at::log_softmax(toy.learner->scores(batch), 1).gather(1, batch.target.unsqueeze(1));
    for (int64_t i = 0; i < batch.size(); ++i)
      loss_of[batch.sample()[i].item<int64_t>()] = loss[i].item<double>();
  });
  for (size_t slot = 0; slot < 16; ++slot)
    EXPECT_NEAR(state.losses[slot], loss_of.at(state.memory.positions[slot]), 1e-4) << slot;
}

// No change during the first twenty evaluations; then one after ten blocks of ten evaluations at
// each rate.
TEST(AdaptiveRate, DecidesAfterTenBlocksAtEachRate) {
  for (const bool lower_is_better : {true, false}) {
    AdaptiveRate rate(10, 0.5);
    for (int64_t look = 1; look <= 640; ++look) {
      const double high =
          std::pow(lower_is_better ? 0.5 : 2, std::max<int64_t>(0, look - 21) / 200);
      const bool low = rate.factor() < high;
      ASSERT_EQ(rate.factor(), low ? high / 2 : high) << look;
      if (!rate.looked()) continue;
      const double noise = look % 40 < 20 ? 0.01 : -0.01;
      rate.end_block(noise + (low == lower_is_better ? 2 : 1));
    }
  }
}

// The losses of single evaluations are noise around one value.
TEST(AdaptiveRate, SeldomFollowsNoise) {
  constexpr int kStreams = 20;
  int64_t changes = 0;
  for (int stream = 0; stream < kStreams; ++stream) {
    Random random = Seeds(uint64_t(stream))("noise");
    AdaptiveRate rate(10, 0.5);
    std::set<double> factors;
    double at_last = random.normal();
    for (int64_t look = 1; look <= 2000; ++look) {
      const double loss = random.normal();
      if (rate.looked()) rate.end_block(at_last - loss), at_last = loss;
      factors.insert(rate.factor());
    }
    changes += int64_t(factors.size()) - 2;
  }
  EXPECT_LT(changes, 5 * kStreams);
}

}  // namespace
}  // namespace patina
