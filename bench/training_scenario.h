// A training step on a frozen network: time and memory, with DualPrompt's prefix prompts and with
// adapters, in fp32, in LibTorch's automatic mixed precision and by the packed engine.
#pragma once

#include "bench/networks.h"
#include "bench/scenario.h"

namespace patina::bench {

/// Measures every network and every way; bf16 only where it is faster.
void measure_train_step(bool quick, const Take& take);
/// DeiT-Tiny with prefix prompts. Throws Error(file) if the system does not show a process its peak
/// memory.
void measure_memory(bool quick, const Take& take);

}  // namespace patina::bench
