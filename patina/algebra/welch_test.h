// Welch's t-test, for methods that compare two rates by what they gain.
#pragma once

#include <vector>

namespace patina {

/// The probability of a difference of means as large as that of `a` over `b`, or larger, if both
/// were drawn from the same mean (Welch, 1947; one-sided). Both need two values at least; 0.5 where
/// neither varies.
double welch_test_greater(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace patina
