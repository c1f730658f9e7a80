// Real weights, as `tools/weights` fetches them.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace patina {

/// Where tools/weights keeps them.
inline std::filesystem::path weights_folder() {
  const auto from = [](const char* variable) {
    const char* value = std::getenv(variable);
    return std::filesystem::path(value ? value : "");
  };
  if (const auto set = from("PATINA_WEIGHTS"); !set.empty()) return set;
  const auto cache = from("XDG_CACHE_HOME");
  return (cache.empty() ? from("HOME") / ".cache" : cache) / "patina/weights";
}

}  // namespace patina

/// Declares `var` as a path in weights_folder(), or skips the test with a plain message.
#define PATINA_NEED_WEIGHTS(var, relative, name)            \
  const auto var = ::patina::weights_folder() / (relative); \
  if (!std::filesystem::exists(var))                        \
  GTEST_SKIP() << "needs the weights that `tools/weights " << (name) << "` fetches"
