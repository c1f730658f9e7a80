// What learners with one adapter per task share: the list of adapters, the ways to choose among
// them, and estimates for classes whose samples are gone, on numbers small enough to check by hand.
#include "patina/learners/representation/task_adapters.h"

#include <gtest/gtest.h>

#include "patina/algebra/prototypes.h"
#include "patina/learners/representation/alignment.h"
#include "patina/ops.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

/// Changes every tensor of an adapter.
void stir(adapt::Adapter& adapter, uint64_t seed) {
  NoGrad no_grad;
  for (auto& item : nn::tensors(adapter))
    item.tensor.detach().add_(random_tensor(item.tensor.sizes().vec(), ++seed, 0.1));
}

TEST(TaskAdapters, TheNewestLearnsAndBeginsFreshOrAsTheLast) {
  const auto vit = random_vit();
  TaskAdapters adapters(*vit, {.bottleneck = 3});
  adapters.add(Random(1, 0));
  EXPECT_EQ(nn::trainable(adapters[0]).size(), 8u);  // two blocks of two layers
  stir(adapters[0], 5);
  adapters.add(Random(2, 0));
  EXPECT_TRUE(nn::trainable(adapters[0]).empty());
  EXPECT_EQ(nn::trainable(adapters[1]).size(), 8u);
  EXPECT_FALSE(at::equal(adapters.weights(2)[0][0], adapters.weights(2)[1][0]));
  EXPECT_EQ(adapters.weights(2)[1][2].abs().max().item<float>(), 0);  // up is zero
  stir(adapters[1], 50);
  adapters.add(Random(3, 0), /*like_last=*/true);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_TRUE(at::equal(adapters.weights(3)[1][i], adapters.weights(3)[2][i]));
  stir(adapters.last(), 100);  // a copy, not the same tensors
  EXPECT_FALSE(at::equal(adapters.weights(3)[1][0], adapters.weights(3)[2][0]));
}

TEST(TaskAdapters, EachSampleUnderItsOwn) {
  const auto vit = random_vit();
  TaskAdapters adapters(*vit, {.bottleneck = 3, .scale = 1});
  for (uint64_t task = 0; task < 3; ++task) {
    adapters.add(Random(task, 0));
    stir(adapters.last(), 10 * task);
  }
  adapters.freeze();
  const Input input = random_tensor({5, 3, 16, 16}, 9);
  const std::vector<int64_t> tasks = {2, 0, 2, 2, 0};
  const Tensor mixed = adapters.features(input, tensor_of(tasks));
  for (int64_t i = 0; i < 5; ++i)
    for (size_t task = 0; task < 3; ++task) {
      const double error = relative_error(mixed[i], adapters.features(input, task)[i]);
      if (int64_t(task) == tasks[size_t(i)])
        EXPECT_LT(error, 1e-5);
      else
        EXPECT_GT(error, 1e-3);
    }
}

TEST(TaskAdapters, ComeBackFromAnArchive) {
  const auto vit = random_vit();
  TaskAdapters adapters(*vit, {.bottleneck = 3}), back(*vit, {.bottleneck = 3});
  for (uint64_t task = 0; task < 2; ++task)
    adapters.add(Random(task, 0)), stir(adapters.last(), task);
  const auto path = scratch_folder("task_adapters") / "state";
  Archive save;
  save("adapters", adapters);
  save.write(path);
  Archive load = Archive::read(path);
  load("adapters", back);
  ASSERT_EQ(back.size(), 2u);
  for (size_t task = 0; task < 2; ++task)
    for (size_t i = 0; i < 8; ++i)
      EXPECT_TRUE(at::equal(back.weights(2)[task][i], adapters.weights(2)[task][i]));
  EXPECT_TRUE(nn::trainable(back[0]).empty());
  EXPECT_EQ(nn::trainable(back[1]).size(), 8u);
}

// Classes 0 and 1 are of task 0, class 2 is of task 1, class 3 of task 2. A table gives the best
// class of a sample under a task's adapter; sample 1 alternates between two adapters.
TEST(Refined, FollowsTheBestClassUntilItStaysOrTheRoundsAreOver) {
  const std::vector<std::vector<int64_t>> best = {{0, 2, 3}, {2, 0, 1}, {3, 2, 2}};
  const Tensor task_of = tensor_of(std::vector<int64_t>{0, 0, 1, 2});
  for (const int64_t rounds : {1, 2, 3, 4}) {
    std::vector<int64_t> asked(3);
    const auto score = [&](const Tensor& rows, const Tensor& tasks) {
      Tensor scores = at::zeros({rows.size(0), 4});
      for (int64_t i = 0; i < rows.size(0); ++i) {
        const int64_t row = rows[i].item<int64_t>(), task = tasks[i].item<int64_t>();
        ++asked[size_t(row)];
        scores[i][best[size_t(row)][size_t(task)]] = float(10 * (task + 1));
      }
      return scores;
    };
    const Tensor scores = refined(tensor_of(std::vector<int64_t>{0, 0, 0}), task_of, rounds, score);
    // Sample 0 stays under adapter 0. Sample 1 goes 0, 1, 0, 1. Sample 2 goes 0, 2, 1 and stays.
    EXPECT_EQ(asked, (std::vector<int64_t>{1, rounds, std::min<int64_t>(rounds, 3)}));
    EXPECT_EQ(scores[0][0].item<float>(), 10);
    const bool even = rounds % 2 == 0;
    EXPECT_EQ(scores[1][even ? 0 : 2].item<float>(), even ? 20 : 10) << rounds;
    EXPECT_EQ(scores[1].count_nonzero().item<int64_t>(), 1);
    if (rounds >= 3) {
      EXPECT_EQ(scores[2][2].item<float>(), 20);
    }
  }
}

TEST(LeastEntropy, ChoosesTheSurestSampleBySample) {
  const Tensor flat_then_sure = rows_of({1, 1, 1, 0, 9, 0}, 3);
  const Tensor sure_then_flat = rows_of({-50, 500, 0, 2, 2, 1}, 3);
  EXPECT_TRUE(at::equal(least_entropy({flat_then_sure, sure_then_flat}),
                        rows_of({-50, 500, 0, 0, 9, 0}, 3)));
}

TEST(Complemented, MixesWhatIsKnownByLikeness) {
  // Cosines 1 and 0, whatever the lengths: weights e / (e + 1) and 1 / (e + 1).
  const Tensor there =
      complemented(rows_of({5, 0}, 2), rows_of({2, 0, 0, 3}, 2), rows_of({10, 0, 1, 0, 10, 1}, 3));
  EXPECT_LT(relative_error(there, rows_of({7.3105858f, 2.6894142f, 1}, 3)), 1e-6);
}

TEST(Shifted, FollowsTheSamplesNearby) {
  const Tensor before = rows_of({0, 0, 8, 0}, 2), after = rows_of({1, 0, 8, 2}, 2);
  // Weights 1 and exp(-64 / 32), each and 1e-5.
  EXPECT_LT(relative_error(shifted(float_tensor({0, 0}), before, after, 4),
                           float_tensor({0.880791f, 0.238419f})),
            1e-5);
  // From far away all samples have the same weight.
  EXPECT_LT(relative_error(shifted(float_tensor({0, 1000}), before, after, 4),
                           float_tensor({0.5f, 1001})),
            1e-6);
}

TEST(Follow, GoesPartOfTheWay) {
  nn::Linear linear(2, 1);
  linear.weight.copy_(rows_of({1, 2}, 2));
  linear.bias.fill_(4);
  nn::freeze(linear, false);
  follow(nn::tensors(linear), {rows_of({5, 2}, 2), float_tensor({0})}, 0.75);
  EXPECT_TRUE(at::equal(linear.weight, rows_of({2, 2}, 2)));
  EXPECT_TRUE(at::equal(linear.bias, float_tensor({3})));
}

}  // namespace
}  // namespace patina
