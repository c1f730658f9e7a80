// A whole stream from start to end, without files: patina's way (packed engine, feature store)
// beside the plain loop, which encodes the test images of all seen classes again after every task.
#pragma once

#include <string>

#include "bench/scenario.h"

namespace patina::bench {

/// Ten tasks of made-up images, learned by the learner of that name.
void measure_stream(const std::string& learner, bool quick, const Take& take);

}  // namespace patina::bench
