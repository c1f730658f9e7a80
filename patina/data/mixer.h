// Samples of several sources mixed in exact numbers, without a state to save.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "patina/base/random.h"

namespace patina {

/// The rows of epoch `epoch`: for each, which of two sources it is from and the sample's index in
/// it. The first source gives all of its `first` samples; the second as many as make `part` of the
/// rows, rounded: those are the rows with the smallest hashes of (seed, epoch, row). The second's
/// samples are taken in an order drawn for each epoch, from the start again when they are used up.
/// A function of its arguments alone, so that a resumed epoch is the same. `part` in [0, 1).
std::vector<std::pair<int, int64_t>> mixed_rows(int64_t first, int64_t second, double part,
                                                const Seeds& seeds, int64_t epoch);

/// One of the sources of a mixture.
struct TokenSource {
  std::vector<int64_t> tokens;  // of each of its samples
  double part = 0;              // of the budget
};

/// The rows of epoch `epoch`: for each, its source and the sample's index in it, source after
/// source. Each source gives its part of `budget` tokens, as near as whole samples come, and what
/// one gives too much or too little the next makes up for. Its samples are taken in an order drawn
/// for the epoch, and in a new one when they are used up. A function of its arguments alone. A
/// source without samples must have no part.
std::vector<std::pair<int, int64_t>> rows_by_tokens(const std::vector<TokenSource>& sources,
                                                    int64_t budget, const Seeds& seeds,
                                                    int64_t epoch);

}  // namespace patina
