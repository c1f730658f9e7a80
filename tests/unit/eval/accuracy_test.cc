// Accuracy of raw predictions.
#include "patina/eval/accuracy.h"
#include "tests/support/errors.h"

#include <gtest/gtest.h>

#include <vector>

namespace patina {
namespace {

using Classes = std::vector<int64_t>;

TEST(Accuracy, IsTheFractionOfHits) {
  EXPECT_EQ(accuracy(Classes{1, 2, 3, 0}, Classes{1, 2, 0, 0}), Score(.75));
  EXPECT_EQ(accuracy(Classes{5}, Classes{5}), Score(1.0));
  EXPECT_EQ(accuracy(Classes{5, 6}, Classes{6, 5}), Score(0.0));
}

TEST(Accuracy, OfNothingIsUndefined) {
  EXPECT_EQ(accuracy(Classes{}, Classes{}), std::nullopt);
}

TEST(AccuracyDeathTest, NeedsOnePredictionPerTarget) {
  EXPECT_TRUE(contains(error_of([&] {
                         (void)(accuracy(Classes{1, 2}, Classes{1}));
                       }),
                       "2 predictions for 1 targets"));
}

}  // namespace
}  // namespace patina
