#include "bench/turns.h"

#include "bench/stopwatch.h"

namespace patina::bench {

std::vector<double> medians_in_turn(const Pace& pace,
                                    const std::vector<std::function<double()>>& ways) {
  if (pace.warm_up)
    for (const auto& way : ways) way();
  std::vector<std::vector<double>> results(ways.size());
  const auto round = [&] {
    for (size_t i = 0; i < ways.size(); ++i) results[i].push_back(ways[i]());
  };
  double spent = 0;
  for (int rounds = 0; rounds == 0 || ((rounds < pace.rounds || spent < pace.seconds) &&
                                       spent * (rounds + 1) / rounds <= pace.most_seconds);
       ++rounds)
    spent += seconds(round);
  std::vector<double> medians;
  for (const auto& of_one : results) medians.push_back(median(of_one));
  return medians;
}

std::vector<double> times_in_turn(const Pace& pace,
                                  const std::vector<std::function<void()>>& works) {
  std::vector<std::function<double()>> ways;
  for (const auto& work : works) ways.emplace_back([&work] { return seconds(work); });
  return medians_in_turn(pace, ways);
}

}  // namespace patina::bench
