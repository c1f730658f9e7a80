// RanPAC's fit of one task: a penalty selected from a grid on held-out samples, then the weights.
// Compares patina with the plain form of Python implementations: Gram matrices in float, and the
// solution of M equations for every penalty.
#pragma once

#include <cstdint>

namespace patina::bench {

struct RidgeTimes {
  double direct = 0, ours = 0;  // seconds: a sum over all penalties, and a median
  double direct_penalty = 0, penalty = 0;
  double difference = 0;  // largest difference of scores, relative to the largest score
};

/// n samples of random ReLU features in m dimensions; `penalties` powers of ten around 1. Every
/// fifth sample is held out. Plain solutions and complete fits of ours alternate.
RidgeTimes time_ridge_fit(int64_t n, int64_t m, int64_t classes, int64_t penalties);

}  // namespace patina::bench
