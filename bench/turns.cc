#include "bench/turns.h"

#include <utility>

namespace patina::bench {

std::vector<double> medians_in_turn(const Pace& pace,
                                    const std::vector<std::function<double()>>& ways) {
  std::vector<std::vector<double>> results(ways.size());
  const auto round = [&] {
    for (size_t i = 0; i < ways.size(); ++i) results[i].push_back(ways[i]());
  };
  double spent = seconds(round, pace.clock), before = 0;
  int rounds = 1;
  if (pace.warm_up && 2 * spent <= pace.most_seconds) {
    for (auto& of_one : results) of_one.clear();
    before = std::exchange(spent, 0);
    rounds = 0;
  }
  for (; rounds == 0 || ((rounds < pace.rounds || spent < pace.seconds) &&
                         before + spent * (rounds + 1) / rounds <= pace.most_seconds);
       ++rounds)
    spent += seconds(round, pace.clock);
  std::vector<double> medians;
  for (const auto& of_one : results) medians.push_back(median(of_one));
  return medians;
}

std::vector<double> times_in_turn(const Pace& pace,
                                  const std::vector<std::function<void()>>& works) {
  std::vector<std::function<double()>> ways;
  for (const auto& work : works) ways.emplace_back([&] { return seconds(work, pace.clock); });
  return medians_in_turn(pace, ways);
}

}  // namespace patina::bench
