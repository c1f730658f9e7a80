#include "patina/kernels/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace patina::kernels {

namespace {

// Linux lets a process use the tile registers only after a request (arch_prctl, since 5.16).
bool tiles_permitted() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

Isa detect() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::portable;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return Isa::avx2;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::avx512;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kTileBf16 = 1u << 22;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  return (d & kTile) && (d & kTileBf16) && tiles_permitted() ? Isa::amx : Isa::avx512_bf16;
}

}  // namespace

Isa isa() {
  static const Isa best = [] {
    const Isa found = detect();
    const char* asked = std::getenv("PATINA_ISA");
    if (!asked) return found;
    for (const Isa lower : {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512_bf16, Isa::amx})
      if (name(lower) == asked) return std::min(found, lower);
    return found;
  }();
  return best;
}

bool bf16_is_faster() {
  if (isa() == Isa::avx512_bf16) return __builtin_cpu_is("amd");
  return isa() == Isa::amx;
}

std::string_view name(Isa isa) {
  constexpr std::string_view kNames[] = {"portable", "avx2", "avx512", "avx512_bf16", "amx"};
  return kNames[int(isa)];
}

}  // namespace patina::kernels
