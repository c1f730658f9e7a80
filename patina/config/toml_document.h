// A TOML document with overrides laid over it: what toml++ parses, with limits on what it is given.
// The only header that includes toml++; for sources of this folder.
#pragma once

namespace patina {
/// What toml++ throws where it would stop the program.
struct TomlAssertion {};
constexpr void assert_toml(bool holds) {
  if (!holds) throw TomlAssertion();
}
}  // namespace patina

// toml++ 3.3 asserts that a key follows "[" where a recipe may hold anything ("[*]"), and with
// NDEBUG it tells the compiler so. Its assertions throw instead, in every build.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(condition) patina::assert_toml(static_cast<bool>(condition))
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <string>
#include <string_view>
#include <vector>

namespace patina {

struct TomlDocument {
  /// Throws Error(recipe) when `text` is not TOML, with line and column, and Error(usage) for an
  /// override without a key or a value, or one that reaches into something that is not a section.
  TomlDocument(std::string_view text, std::string_view origin,
               const std::vector<std::string>& settings);

  /// Which text a node of `root` came from: 0 is the file, i the i-th override.
  size_t source(const toml::node& node) const;

  std::string origin;
  std::vector<std::string> overrides;  // as messages write them: "--set key=value"
  toml::table root;
};

}  // namespace patina
