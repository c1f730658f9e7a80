// A whole stream, without files: patina (packed engine, feature store) compared with the plain
// loop, which encodes the test images of all seen classes again after every task.
#pragma once

#include <string>

#include "bench/scenario.h"

namespace patina::bench {

/// Ten tasks of synthetic images, learned by the learner with that name.
void measure_stream(const std::string& learner, bool quick, const Take& take);

}  // namespace patina::bench
