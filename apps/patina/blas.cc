#include "apps/patina/blas.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace patina::cli {

namespace {
// OpenBLAS's names of processors without AVX.
constexpr std::array<std::string_view, 8> kOldCores = {"Prescott", "Core2", "Penryn",  "Dunnington",
                                                       "Nehalem",  "Atom",  "Generic", "Katmai"};

// Sets the environment variable if necessary; returns whether it did.
bool choose_kernels() {
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

void settle_blas(char** argv) {
  if (choose_kernels())
    ::execv("/proc/self/exe", argv);  // if this fails, it continues with slower
                                      // kernels
}

}  // namespace patina::cli
