// How fast a language model learns, reads and writes.
#pragma once

#include "bench/scenario.h"

namespace patina::bench {

/// A step of LoRA on a decoder of SmolLM2's shape, features of an encoder of MiniLM's, and texts
/// continued one and eight at a time.
void measure_language(bool quick, const Take& take);

}  // namespace patina::bench
