// The instruction sets that this machine has, for tests that must hold for each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "patina/kernels/isa.h"
#include "patina/kernels/tiles.h"

namespace patina::kernels {

inline std::vector<std::pair<std::string, const Instructions*>> instruction_sets() {
  std::vector<std::pair<std::string, const Instructions*>> sets = {{"portable", &kPortable}};
  if (isa() >= Isa::avx2) sets.push_back({"avx2", &kAvx2});
  if (isa() >= Isa::avx512) sets.push_back({"avx512", &kAvx512});
  if (isa() >= Isa::avx512_bf16) sets.push_back({"avx512_bf16", &kAvx512Bf16});
  if (isa() >= Isa::amx) sets.push_back({"amx", &kAmx});
  return sets;
}

}  // namespace patina::kernels
