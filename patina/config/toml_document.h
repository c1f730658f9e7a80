// A TOML document with others laid under it and overrides over it: what toml++ parses, with limits
// on what it is given. The only header that includes toml++; for sources of this folder.
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

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

struct TomlDocument {
  /// Throws Error(recipe) when `text` is not TOML, with line and column.
  TomlDocument(std::string_view text, std::string origin);

  /// What a document says about the one it is written over.
  struct Base {
    std::string path;   // as written
    std::string place;  // "recipe.toml:3: base"
  };
  /// Takes the top level's `base` out of the document. Throws Error(recipe) unless it is a string.
  std::optional<Base> take_base();
  /// Adds another document's keys where this one has none; sections are merged, lists are not. Its
  /// `base` comes along. Throws like the constructor.
  void lay_under(std::string_view text, std::string origin);
  /// Lays `key=value` settings over the document. Throws Error(usage) for one without a key or a
  /// value, or one that reaches into something that is not a section. Comes last.
  void lay_over(const std::vector<std::string>& settings);

  /// Which text a node of `root` came from, as an index into `origins`.
  size_t source(const toml::node& node) const;
  bool is_override(size_t source) const { return source >= files; }

  // As messages write them: the recipe, its base, that one's base; then "--set key=value".
  std::vector<std::string> origins;
  size_t files = 1;
  toml::table root;
};

}  // namespace patina
