#include "apps/patina/environment.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace patina::cli {

namespace {
// OpenBLAS's names of cores without AVX.
constexpr std::array<std::string_view, 8> kOldCores = {"Prescott", "Core2", "Penryn",  "Dunnington",
                                                       "Nehalem",  "Atom",  "Generic", "Katmai"};

// Threads that wait for others spin a few microseconds, then sleep. Spinning for longer takes the
// cores from whoever else is on the machine: two runs at once, on two cores, were more than four
// times slower each with 100000 rounds than with these. One alone gains up to a third by them.
// Sleeping at once makes operations of a few microseconds ten times slower.
bool settle_waiting() {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return false;
  return ::setenv("GOMP_SPINCOUNT", "1000", 1) == 0;
}

bool settle_blas() {
  if (std::getenv("OPENBLAS_CORETYPE")) return false;
  using Corename = const char* (*)();
  const auto corename = reinterpret_cast<Corename>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (!corename) return false;  // another BLAS
  const std::string_view core = corename();
  if (std::find(kOldCores.begin(), kOldCores.end(), core) == kOldCores.end()) return false;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return ::setenv("OPENBLAS_CORETYPE", avx512 ? "SKYLAKEX" : "HASWELL", 1) == 0;
#else
  return false;
#endif
}

}  // namespace

void settle_environment(char** argv) {
  const bool waiting = settle_waiting(), blas = settle_blas();
  if (!waiting && !blas) return;
  ::execv("/proc/self/exe", argv);  // on failure the program goes on, slower
}

}  // namespace patina::cli
