// Merging between rounds: interpolation, averages of checkpoints, and task vectors, by hand.
#include <gtest/gtest.h>

#include "tests/support/tensors.h"
#include "tests/support/toy_rounds.h"

namespace patina {
namespace {

using Course = RoundCourse;

TEST(WiseFtRounds, InterpolatesAfterEachRound) {
  for (const bool previous : {false, true}) {
    Course course("wise_ft_rounds",
                  {"part=0.25", previous ? "toward=\"previous\"" : "toward=\"pretrained\""});
    const Weights base = course.weights();
    Weights start = base, trained;
    for (int round = 0; round < 2; ++round) {
      course.between_steps = [&] { trained = course.weights(); };
      course.learn();
      const Weights& reference = previous ? start : base;
      Weights expected;
      for (size_t i = 0; i < base.size(); ++i)
        expected.push_back(0.75 * reference[i] + 0.25 * trained[i]);
      EXPECT_LT(furthest(course.weights(), expected), 1e-6);
      start = course.weights();
    }
  }
}

// Ten steps; checkpoints after the last one, the seventh and the fourth.
TEST(WiseFtRounds, AveragesTheLastCheckpoints) {
  Course course("wise_ft_rounds", {"part=1", "checkpoints=3", "apart=3"});
  std::vector<Weights> after;
  course.between_steps = [&] { after.push_back(course.weights()); };
  course.learn();
  Weights expected;
  for (size_t i = 0; i < after[0].size(); ++i)
    expected.push_back((after[3][i] + after[6][i] + after[9][i]) / 3);
  EXPECT_LT(furthest(course.weights(), expected), 1e-6);
}

TEST(TaskArithmetic, AddsWhatEachRoundChanged) {
  Course course("task_arithmetic", {"scale=0.3"});
  const Weights base = course.weights();
  std::vector<Weights> starts, trained;
  for (int round = 0; round < 2; ++round) {
    trained.emplace_back();
    course.between_steps = [&] { trained.back() = course.weights(); };
    course.learn();
  }
  Weights expected;
  for (size_t i = 0; i < base.size(); ++i)
    expected.push_back(base[i] + 0.3 * (trained[0][i] - base[i] + trained[1][i] - base[i]));
  EXPECT_LT(furthest(course.weights(), expected), 1e-6);
  course.begin();
  expect_equal(course.weights(), base);  // each round starts anew

  Course onward("task_arithmetic", {"scale=0.3", "start=\"merged\""});
  onward.learn();
  const Weights merged = onward.weights();
  onward.begin();
  expect_equal(onward.weights(), merged);
}

// Two task vectors of five elements, worked by hand.
TEST(Ties, TrimsElectsAndMergesWhatAgrees) {
  const Weights a = {float_tensor({5, -1, 0.5F}), float_tensor({-3, 2})};
  const Weights b = {float_tensor({-2, -4, 0.1F}), float_tensor({-1, 6})};
  // The three largest of each, over both tensors.
  const Weights largest_a = trimmed(a, 0.6), largest_b = trimmed(b, 0.6);
  expect_equal(largest_a, {float_tensor({5, 0, 0}), float_tensor({-3, 2})});
  expect_equal(largest_b, {float_tensor({-2, -4, 0}), float_tensor({0, 6})});
  expect_equal(trimmed(a, 0.5), largest_a);  // two and a half are three
  expect_equal(trimmed(a, 1), a);
  // 5 - 2 > 0: 5 alone; -4 alone; nothing; -3 alone; (2 + 6) / 2.
  expect_equal(of_one_sign({largest_a, largest_b}),
               {float_tensor({5, -4, 0}), float_tensor({-3, 4})});
}

TEST(Ties, IsTheBaseAndTheMergedVectors) {
  Course course("ties", {"keep=0.3"});
  const Weights base = course.weights();
  std::vector<Weights> largest;
  for (int round = 0; round < 2; ++round) {
    Weights trained;
    course.between_steps = [&] { trained = course.weights(); };
    course.learn();
    largest.push_back(trimmed(added(trained, base, -1), 0.3));
  }
  EXPECT_LT(furthest(course.weights(), added(base, of_one_sign(largest), 1)), 1e-6);
}

TEST(Dare, DropsAPartAndScalesTheRest) {
  const Weights ones = {at::full({100, 100}, 0.2), at::full({50}, -3.0)};
  const Weights rest = dropped(ones, 0.9, Seeds(3)("dare"));
  for (size_t i = 0; i < ones.size(); ++i) {
    const Tensor factor = rest[i] / ones[i];
    EXPECT_LT(((factor - 10).abs() * factor.abs()).max().item<double>(), 1e-3) << "0 or 10";
  }
  EXPECT_NEAR(rest[0].mean().item<double>(), 0.2, 0.02);  // the mean stays; 3 deviations are 0.018
  expect_equal(dropped(ones, 0.9, Seeds(3)("dare")), rest);
  EXPECT_FALSE(at::equal(dropped(ones, 0.9, Seeds(4)("dare"))[0], rest[0]));
  expect_equal(dropped(ones, 0, Seeds(3)("dare")), ones);
}

}  // namespace
}  // namespace patina
