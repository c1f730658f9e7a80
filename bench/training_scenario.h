// A training step on a frozen network: time and memory, with prefix prompts as DualPrompt has them
// and with adapters, in fp32, in LibTorch's automatic mixed precision and by the packed engine.
#pragma once

#include "bench/networks.h"
#include "bench/scenario.h"

namespace patina::bench {

/// Every network that is trained, in every way. In bf16 only where that is faster.
void measure_train_step(bool quick, const Take& take);
/// DeiT-Tiny with prefix prompts. Throws Error(file) where the system does not let a process see
/// its own peak memory.
void measure_memory(bool quick, const Take& take);

}  // namespace patina::bench
