// Welch's t-test, for methods that compare two learning rates by how much they lower the loss.
#pragma once

#include <vector>

namespace patina {

/// One-sided p-value: the probability, under equal means, of a difference of means at least as
/// large as that of `a` over `b` (Welch, 1947). Both need at least two values; 0.5 if neither
/// varies.
double welch_test_greater(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace patina
