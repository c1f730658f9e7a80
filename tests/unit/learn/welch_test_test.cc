// Welch's test where the distribution has a closed form, and properties that hold for all inputs.
#include "patina/algebra/welch_test.h"

#include <gtest/gtest.h>

#include <cmath>

namespace patina {
namespace {

TEST(WelchTest, IsStudentsForFewValuesByItsClosedForm) {
  // Equal sizes and variances: 2 (n - 1) degrees of freedom. With n = 2 they are two, where the
  // tail of t is 1/2 - t / (2 sqrt(2 + t²)).
  const std::vector<double> a = {1, 3}, b = {0, 2};
  const double t = 1 / std::sqrt(2.0);
  EXPECT_NEAR(welch_test_greater(a, b), 0.5 - t / (2 * std::sqrt(2 + t * t)), 1e-12);
}

TEST(WelchTest, IsSymmetricAndOrdered) {
  const std::vector<double> a = {0.3, 0.5, 0.9, 0.4, 0.7}, b = {0.1, 0.2, 0.15, 0.4};
  EXPECT_NEAR(welch_test_greater(a, b) + welch_test_greater(b, a), 1, 1e-12);
  EXPECT_LT(welch_test_greater(a, b), 0.05);
  EXPECT_NEAR(welch_test_greater(a, a), 0.5, 1e-12);
  EXPECT_EQ(welch_test_greater({1, 1}, {1, 1}), 0.5);
  EXPECT_EQ(welch_test_greater({2, 2}, {1, 1}), 0);
}

}  // namespace
}  // namespace patina
