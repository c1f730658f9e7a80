// The scenarios that bench/ times: both sides of each compute the same.
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/fecam_scenario.h"
#include "bench/patterns.h"
#include "bench/products.h"
#include "bench/ridge_scenario.h"
#include "bench/scenario.h"
#include "bench/stopwatch.h"
#include "bench/training.h"
#include "bench/turns.h"
#include "patina/base/work.h"
#include "patina/kernels/flops.h"

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

TEST(Products, AreThoseThatAForwardPassCounts) {
  NoGrad no_grad;
  const ViTShape shape = {.image_size = 32, .patch_size = 8, .width = 64, .depth = 3, .heads = 2};
  const auto vit = random_vit(shape);
  vit->set_engine(nn::packed_engine(nn::Precision::bf16));
  Work work;
  const WorkScope scope(&work);
  const int64_t before = flops().forward;
  vit->features(random_images(shape, 4));
  EXPECT_EQ(flops().forward - before, 4 * flops_of(products_of(shape)));
}

TEST(Training, StepsComputeTheSameHoweverTheyCompute) {
  const ViTShape shape = {.image_size = 32, .patch_size = 8, .width = 64, .depth = 6, .heads = 2};
  const auto vit = random_vit(shape);
  const Tensor images = random_images(shape, 4);
  for (const auto adapting : {Adapting::prefix, Adapting::adapter}) {
    Training plain(*vit, adapting, eager_fp32()), fp32(*vit, adapting, packed(nn::Precision::fp32)),
        bf16(*vit, adapting, packed(nn::Precision::bf16));
    double first = 0, last = 0;
    for (int step = 0; step < 5; ++step) {
      last = plain.step(images);
      if (step == 0) first = last;
      EXPECT_NEAR(fp32.step(images), last, 1e-4) << text(adapting);
      EXPECT_NEAR(bf16.step(images), last, 0.02) << text(adapting);
    }
    EXPECT_LT(last, first - 0.1) << text(adapting);  // it learns
  }
}

TEST(Patterns, AreOfTheirClassAndTheirSeed) {
  const PatternSource source(3, 2, 1), other(3, 2, 2);
  const auto distance = [](const Image& a, const Image& b) {
    double sum = 0;
    for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
    return sum / double(a.pixels.size());
  };
  EXPECT_EQ(source.size(), 6);
  EXPECT_EQ(source.label(4), 1);
  EXPECT_NE(source.image(1).pixels, source.image(4).pixels);
  EXPECT_NE(source.image(1).pixels, other.image(1).pixels);
  EXPECT_LT(distance(source.image(1), source.image(4)), distance(source.image(1), source.image(2)));
  EXPECT_LT(distance(source.image(1), other.image(1)), distance(source.image(1), other.image(2)));
}

TEST(Turns, GoOnUntilRoundsAndTimeAreReachedAndNoFurtherThanAllowed) {
  std::string order;
  const auto medians = medians_in_turn({.rounds = 2, .seconds = 0},
                                       {[&] { return order += "a", double(order.size()); },
                                        [&] { return order += "b", double(order.size()); }});
  EXPECT_EQ(order, "ababab");  // the first round is a warm-up
  EXPECT_EQ(medians, (std::vector<double>{5, 6}));
  static double time;  // seconds, as the works below pass it
  time = 0;
  const auto clock = [] { return time; };
  int rounds = 0;
  const auto slow = [&] {
    ++rounds;
    time += 0.25;
  };
  times_in_turn({.rounds = 9, .seconds = 0, .most_seconds = 0.4, .warm_up = false, .clock = clock},
                {slow});
  EXPECT_EQ(rounds, 1);
  rounds = 0;
  times_in_turn({.rounds = 1, .seconds = 0.6, .warm_up = false, .clock = clock}, {slow});
  EXPECT_EQ(rounds, 3);
  rounds = 0;  // the warm-up counts where there is no time for more
  const auto times =
      times_in_turn({.rounds = 2, .seconds = 0, .most_seconds = 0.4, .clock = clock}, {slow});
  EXPECT_EQ(rounds, 1);
  EXPECT_EQ(times[0], 0.25);
}

TEST(Ratio, MeetsItsBarFromTheRightSide) {
  EXPECT_TRUE((Ratio{"a", 5, 5}).met());
  EXPECT_FALSE((Ratio{"a", 4.9, 5}).met());
  EXPECT_TRUE((Ratio{"a", 0.6, 0.6, true}).met());
  EXPECT_FALSE((Ratio{"a", 0.7, 0.6, true}).met());
  EXPECT_TRUE((Ratio{"a", 0.1}).met());
}

TEST(Median, IsTheMiddleOfTheTimes) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({4, 1, 3, 2}), 3);
}

}  // namespace
}  // namespace patina::bench
