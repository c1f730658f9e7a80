// Alternating measurements: every way once per round, so that the machine's noise affects all.
#pragma once

#include <functional>
#include <vector>

#include "bench/stopwatch.h"

namespace patina::bench {

/// Number of rounds: until both minima are reached, but never beyond `most_seconds`.
struct Pace {
  int rounds = 5;
  double seconds = 3;
  double most_seconds = 60;
  bool warm_up = true;  // a round that only counts if there is no time for another
  double (*clock)() = now;
};
/// The pace for one of `cases` of a scenario, which end within two minutes in total if one round of
/// each does.
inline Pace one_of(size_t cases) {
  constexpr double kScenario = 100;
  return {.most_seconds = kScenario / double(cases)};
}
inline constexpr Pace kOnce{.rounds = 1, .seconds = 0, .warm_up = false};

/// Calls each of `ways` in turn; returns the median of each one's results.
std::vector<double> medians_in_turn(const Pace& pace,
                                    const std::vector<std::function<double()>>& ways);
/// The same for the seconds that each of `works` takes.
std::vector<double> times_in_turn(const Pace& pace,
                                  const std::vector<std::function<void()>>& works);

}  // namespace patina::bench
