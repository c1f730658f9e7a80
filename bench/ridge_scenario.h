// RanPAC's fit of one task: a penalty chosen from a grid on held-out samples, then the weights.
// Beside patina's it runs the plain form that Python implementations use: Gram matrices in float
// and one solution of M equations for every penalty.
#pragma once

#include <cstdint>

namespace patina::bench {

struct RidgeTimes {
  double direct = 0, ours = 0;  // seconds: a sum over all penalties, and a median
  double direct_penalty = 0, penalty = 0;
  double difference = 0;  // largest, of the samples' scores, as a part of the largest score
};

/// n samples of random ReLU features in m dimensions, `penalties` powers of ten around 1. Every
/// fifth sample is held out. Plain solutions and whole fits of ours take turns.
RidgeTimes time_ridge_fit(int64_t n, int64_t m, int64_t classes, int64_t penalties);

}  // namespace patina::bench
