// The machine a run used, for the record.
#pragma once

#include <cstdint>
#include <string>

namespace patina {

struct Machine {
  std::string cpu;
  int cores = 0;
  int64_t memory_bytes = 0;
};
Machine this_machine();

/// The peak memory of this process so far.
int64_t peak_memory_bytes();

/// "g++ 12.2.0".
std::string compiler_version();

}  // namespace patina
