// Times of steps that alternate, so that the machine's noise affects all of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace patina::bench {

/// Seconds since some moment, by a clock that never goes back.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that `work` takes by a clock.
template <class Work>
double seconds(const Work& work, double (*clock)() = now) {
  const double start = clock();
  work();
  return clock() - start;
}

/// `times` must not be empty; for an even number it returns the upper median.
inline double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + int64_t(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace patina::bench
