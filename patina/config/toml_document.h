// A TOML document with overrides laid over it: what toml++ parses, with limits on what it is given.
// The only header that includes toml++; for sources of this folder.
#pragma once

#include <toml++/toml.h>

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
