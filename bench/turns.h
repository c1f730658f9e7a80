// Work taken in turn: every way once a round, so that noise on the machine meets all of them.
#pragma once

#include <functional>
#include <vector>

namespace patina::bench {

/// How often: rounds until both of the first are reached, but none that would pass `most_seconds`.
struct Pace {
  int rounds = 5;
  double seconds = 3;
  double most_seconds = 60;
  bool warm_up = true;  // a round that counts only if there is no time for another
};
/// For one of `cases` of a scenario, which together end within two minutes where a round of each
/// does.
inline Pace one_of(size_t cases) {
  constexpr double kScenario = 100;
  return {.most_seconds = kScenario / double(cases)};
}
inline constexpr Pace kOnce{.rounds = 1, .seconds = 0, .warm_up = false};

/// Calls each of `ways`, in turn; of what each returned the median.
std::vector<double> medians_in_turn(const Pace& pace,
                                    const std::vector<std::function<double()>>& ways);
/// Of the seconds that each of `works` takes.
std::vector<double> times_in_turn(const Pace& pace,
                                  const std::vector<std::function<void()>>& works);

}  // namespace patina::bench
