// The frozen forward pass: LibTorch in fp32 as a PyTorch user runs it, LibTorch's automatic mixed
// precision, patina's packed engine in both precisions, and the same matrix products alone.
#pragma once

#include "bench/networks.h"
#include "bench/scenario.h"

namespace patina::bench {

/// Measures every network of networks(); bf16 only on processors with instructions for it.
void measure_forward(bool quick, const Take& take);

}  // namespace patina::bench
