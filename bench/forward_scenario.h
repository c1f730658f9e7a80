// The frozen forward pass: LibTorch in fp32 as a PyTorch user runs it, LibTorch's automatic mixed
// precision, patina's packed engine in both precisions, and the same matrix products alone.
#pragma once

#include "bench/networks.h"
#include "bench/scenario.h"

namespace patina::bench {

/// Every network of networks().
std::vector<Case> measure_forward(bool quick);

}  // namespace patina::bench
