// Selection by keys, counts of selections and voting by energies, on numbers made by hand.
#include "patina/learners/prompt/key_query.h"
#include "patina/learn/usage.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/base/json.h"
#include "patina/learners/mixture/stage_vote.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/optim/optimizer.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

Tensor whole(std::initializer_list<int64_t> items, const Shape& shape) {
  return tensor_of(std::vector<int64_t>(items)).reshape(shape);
}

TEST(Nearest, IsOfEachSampleAlone) {
  const Tensor similarity =
      float_tensor({0.1f, 0.9f, -0.5f, 0.3f, /**/ 0.8f, -1, 0.7f, 0.6f}).reshape({2, 4});
  EXPECT_TRUE(at::equal(nearest(similarity, 2), whole({1, 3, 0, 2}, {2, 2})));
  EXPECT_TRUE(at::equal(nearest(similarity.slice(0, 1), 2), whole({0, 2}, {1, 2})));
}

TEST(Majority, TakesTheMostFrequentAndOfEqualsTheSmaller) {
  // 3 is chosen three times, 1 and 4 twice, 0 and 2 once.
  const Tensor chosen = whole({4, 3, 1, /**/ 3, 1, 0, /**/ 4, 3, 2}, {3, 3});
  EXPECT_TRUE(at::equal(majority(chosen, 6), whole({3, 1, 4, 3, 1, 4, 3, 1, 4}, {3, 3})));
  EXPECT_TRUE(at::equal(majority(whole({2, 1}, {2, 1}), 3), whole({1, 1}, {2, 1})));
}

TEST(Picked, GathersEntriesOfAnyShape) {
  const Tensor pool = at::arange(12, at::kFloat).reshape({3, 2, 2});
  const Tensor found = picked(pool, whole({2, 0, 1, 1}, {2, 2}));
  EXPECT_EQ(found.sizes(), at::IntArrayRef({2, 2, 2, 2}));
  EXPECT_TRUE(at::equal(found[0][0], pool[2]));
  EXPECT_TRUE(at::equal(found[0][1], pool[0]));
  EXPECT_TRUE(at::equal(found[1][1], pool[1]));
}

TEST(Pull, SumsOverChoicesAndAveragesOverTheBatch) {
  const Tensor similarity = float_tensor({0.5f, 0.25f, 1, /**/ -1, 0.75f, 0.125f}).reshape({2, 3});
  EXPECT_FLOAT_EQ(pull(similarity, whole({0, 2, 1, 0}, {2, 2})).item<float>(),
                  float((0.5 + 1 + 0.75 - 1) / 2));
}

TEST(Usage, ShowsWhetherTheSelectionCollapses) {
  Usage usage;
  EXPECT_TRUE(usage.json().is_null());
  usage.add(whole({0, 0, 1, 0}, {2, 2}), 4);
  const Json mixed = usage.json();
  EXPECT_EQ(mixed["histogram"], Json({3, 1, 0, 0}));
  const double entropy = -0.75 * std::log(0.75) - 0.25 * std::log(0.25);
  EXPECT_NEAR(mixed["entropy"].get<double>(), entropy, 1e-12);
  EXPECT_NEAR(mixed["entropy_part"].get<double>(), entropy / std::log(4), 1e-12);

  usage.reset();
  EXPECT_TRUE(usage.json().is_null());
  usage.add(whole({2, 2}, {2}), 3);
  EXPECT_EQ(usage.json()["entropy"], 0.0);  // all at one entry
  EXPECT_EQ(usage.json()["entropy_part"], 0.0);
  usage.add(whole({0, 0, 1, 1}, {4}), 3);
  EXPECT_NEAR(usage.json()["entropy_part"].get<double>(), 1, 1e-12);  // evenly spread

  usage.reset();
  usage.add(whole({0}, {1}), 1);  // one entry leaves no choice
  EXPECT_TRUE(usage.json()["entropy_part"].is_null());
}

TEST(TaskRows, KeepsEarlierRowsThroughTrainingWithWeightDecay) {
  TaskRows rows;
  rows.add(at::ones({2, 3}));
  rows.add(at::ones({1, 3}) * 2);
  EXPECT_FALSE(rows.parts[0].requires_grad());
  Optimizer optimizer({.weight_decay = 0.5}, {{{rows.newest()}}});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    rows.all().square().sum().backward();
    optimizer.step(0.1);
  }
  EXPECT_FALSE(rows.parts[0].grad().defined());
  EXPECT_TRUE(at::equal(rows.all().slice(0, 0, 2), at::ones({2, 3})));
  EXPECT_LT(rows.newest().max().item<float>(), 1.5);
}

// One high score at stage 1, three moderate ones at stage 0: at a high temperature the three weigh
// more, at a low one the largest decides.
const std::vector<Tensor> kHotAndCold = {float_tensor({2, 2, 2}).unsqueeze(0),
                                         float_tensor({2.5f, 0, 0}).unsqueeze(0)};

TEST(StageVote, EnergiesAreLogSums) {
  const Tensor energies = stage_energies(kHotAndCold, 0.5);
  ASSERT_EQ(energies.sizes(), at::IntArrayRef({1, 2}));
  EXPECT_NEAR(energies[0][0].item<double>(), 4 + std::log(3), 1e-5);
  EXPECT_NEAR(energies[0][1].item<double>(), std::log(std::exp(5) + 2), 1e-5);
}

TEST(StageVote, ChoosesTheTemperatureThatSeparatesBest) {
  EXPECT_EQ(separating_temperature(kHotAndCold, 1, std::array{1.0, 0.1}), 0.1);
  EXPECT_EQ(separating_temperature(kHotAndCold, 0, std::array{0.1, 1.0}), 1.0);
  // Both are right, or both are wrong: the first is returned.
  EXPECT_EQ(separating_temperature(kHotAndCold, 1, std::array{0.1, 0.01}), 0.1);
  EXPECT_EQ(separating_temperature(kHotAndCold, 1, std::array{1.0, 2.0}), 1.0);
}

TEST(StageVote, TakesTheModeAndOnTiesTheSmallest) {
  const auto vote = [](std::vector<double> temperatures) {
    return voted_stage(kHotAndCold, temperatures).item<int64_t>();
  };
  EXPECT_EQ(vote({1}), 0);
  EXPECT_EQ(vote({0.1}), 1);
  EXPECT_EQ(vote({1, 0.1, 0.01}), 1);
  EXPECT_EQ(vote({1, 0.1}), 0);
  EXPECT_EQ(vote({0.1, 1}), 0);
  // Each of several samples is decided by itself.
  const std::vector<Tensor> two = {at::cat({kHotAndCold[0], kHotAndCold[1]}),
                                   at::cat({kHotAndCold[1], kHotAndCold[0]})};
  EXPECT_TRUE(at::equal(voted_stage(two, std::array{0.1}), whole({1, 0}, {2})));
}

}  // namespace
}  // namespace patina
