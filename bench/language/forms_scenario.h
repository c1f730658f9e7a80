// What it costs to hold a decoder's weights in fewer bits, and what it saves to read a shared
// beginning once.
#pragma once

#include "bench/scenario.h"

namespace patina::bench {

/// A decoder of SmolLM2's shape: a LoRA step and continued prompts for each form of its weights;
/// and prompts that begin alike, or not.
void measure_forms(bool quick, const Take& take);

}  // namespace patina::bench
