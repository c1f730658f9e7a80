// The sum of gradients over workers: along a fixed tree, and by c10d's own all-reduce.
#pragma once

#include "bench/scenario.h"

namespace patina::bench {

void measure_workers(bool quick, const Take& take);

}  // namespace patina::bench
