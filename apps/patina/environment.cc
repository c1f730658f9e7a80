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
}  // namespace

void settle_environment(char** argv) {
  if (std::getenv("OPENBLAS_CORETYPE")) return;
  using Corename = const char* (*)();
  const auto corename = reinterpret_cast<Corename>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (!corename) return;  // another BLAS
  const std::string_view core = corename();
  if (std::find(kOldCores.begin(), kOldCores.end(), core) == kOldCores.end()) return;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  ::setenv("OPENBLAS_CORETYPE", avx512 ? "SKYLAKEX" : "HASWELL", 1);
  ::execv("/proc/self/exe", argv);  // on failure the program goes on, slower
#else
  (void)argv;
#endif
}

}  // namespace patina::cli
