// What a run of a recipe would do and take, found without a run: everything is opened and checked
// as by a run, the first task is tried for some seconds, and nothing is written.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "patina/run/recipe.h"

namespace patina {

struct Forecast {
  struct Part {  // a task of the stream
    std::string name;
    int64_t classes = 0, fresh = 0, train = 0, test = 0;  // classes in it, new ones; samples
  };
  std::string network;     // "ViT, 4 blocks of 192, ..."
  int64_t parameters = 0;  // the network's
  std::string scenario;
  Grant grant;
  std::vector<Part> parts;
  int64_t steps = 0;  // of the optimizer, if every task is trained for all epochs
  /// Seconds at this machine's speed; undefined where the trial was too short to tell. Both are
  /// upper bounds: a learner that trains in its first task alone, or whose features are cached,
  /// takes less.
  std::optional<double> learning, evaluation;
  int64_t memory_bytes = 0;  // the peak of this process, to which later tasks may add
};

/// Throws Error for everything that would stop a run before its first step: weights, data, options,
/// what the scenario does not grant. `seconds` limits the first task's expected.
Forecast forecast(Recipe& recipe, double seconds = 10);

}  // namespace patina
