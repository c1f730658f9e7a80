// Metrics of single-pass streams, on a curve that is small enough to compute by hand.
#include "patina/eval/anytime.h"

#include <gtest/gtest.h>

namespace patina {
namespace {

// Two classes of ten test samples; the second appears between the first two points.
AnytimeCurve curve() {
  return {{.samples = 100, .right = {8}, .tested = {10}},
          {.samples = 200, .right = {6, 4}, .tested = {10, 10}},
          {.samples = 250, .right = {2, 9}, .tested = {10, 10}}};
}

TEST(Anytime, CountsByHand) {
  // (0.8 * 100 + 0.5 * 100 + 0.55 * 50) / 250
  EXPECT_NEAR(*anytime_metric("a_auc").value(curve()), 157.5 / 250, 1e-12);
  EXPECT_NEAR(*anytime_metric("anytime_minimum").value(curve()), 0.5, 1e-12);
  // Class 0 fell from 0.8 to 0.2, class 1 rose from 0.4 to 0.9.
  EXPECT_NEAR(*anytime_metric("class_forgetting").value(curve()), (0.6 - 0.5) / 2, 1e-12);
}

TEST(Anytime, IsTheMeanOfPointsAsFarApartAsOneAnother) {
  auto even = curve();
  even[2].samples = 300;
  EXPECT_NEAR(*anytime_metric("a_auc").value(even), (0.8 + 0.5 + 0.55) / 3, 1e-12);
}

TEST(Anytime, IsUndefinedWhereNothingWasMeasured) {
  for (const auto& metric : anytime_metrics()) EXPECT_EQ(metric.value({}), std::nullopt);
  EXPECT_EQ(anytime_metric("class_forgetting").value({curve()[0]}), std::nullopt);
  // A class that was never predicted correctly cannot be forgotten.
  auto never = curve();
  never[0].right = {0};
  never[1].right = {0, 4};
  EXPECT_NEAR(*anytime_metric("class_forgetting").value(never), 0.4 - 0.9, 1e-12);
}

}  // namespace
}  // namespace patina
