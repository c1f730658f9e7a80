#include "patina/data/mixer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "patina/base/error.h"

namespace patina {

std::vector<std::pair<int, int64_t>> mixed_rows(int64_t first, int64_t second, double part,
                                                const Seeds& seeds, int64_t epoch) {
  PATINA_REQUIRE(part >= 0 && part < 1, "a part of {} of the rows", part);
  const int64_t more =
      second == 0 ? 0 : std::llround(double(first) * part / (1 - part));  // of the second
  const int64_t rows = first + more;
  const Random hash = seeds("mix", uint64_t(epoch));
  std::vector<double> drawn(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) drawn[size_t(row)] = hash.at(uint64_t(row)).uniform();
  std::vector<int64_t> by_hash(static_cast<size_t>(rows));
  std::iota(by_hash.begin(), by_hash.end(), int64_t{0});
  std::ranges::stable_sort(by_hash, {}, [&](int64_t row) { return drawn[size_t(row)]; });
  std::vector<std::pair<int, int64_t>> mixed(static_cast<size_t>(rows), {0, 0});
  for (int64_t i = 0; i < more; ++i) mixed[size_t(by_hash[size_t(i)])].first = 1;
  Random orders = seeds("mix order", uint64_t(epoch));
  std::vector<int64_t> order;
  int64_t next[2] = {0, 0};
  for (auto& [source, sample] : mixed) {
    sample = next[source]++;
    if (source == 0) continue;
    if (sample % second == 0) order = orders.at(uint64_t(sample / second)).permutation(second);
    sample = order[size_t(sample % second)];
  }
  return mixed;
}

std::vector<std::pair<int, int64_t>> rows_by_tokens(const std::vector<TokenSource>& sources,
                                                    int64_t budget, const Seeds& seeds,
                                                    int64_t epoch) {
  std::vector<std::pair<int, int64_t>> rows;
  double wanted = 0, taken = 0;  // tokens of all sources so far
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto& [tokens, part] = sources[i];
    if (part == 0) continue;
    PATINA_REQUIRE(!tokens.empty() && std::ranges::min(tokens) > 0,
                   "a part of {} of a source without tokens", part);
    wanted += part * double(budget);
    const Random orders = seeds("source", uint64_t(i)).at(uint64_t(epoch));
    const size_t count = tokens.size();
    std::vector<int64_t> order;
    for (size_t next = 0;; ++next) {
      if (next % count == 0) order = orders.at(next / count).permutation(int64_t(count));
      const int64_t sample = order[next % count];
      const auto more = double(tokens[size_t(sample)]);
      // Whether it comes nearer with the sample than without.
      if (taken + more / 2 > wanted) break;
      taken += more;
      rows.emplace_back(int(i), sample);
    }
  }
  return rows;
}

}  // namespace patina
