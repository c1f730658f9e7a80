// What `--set section.key=value` sets, for code that writes recipes.
#pragma once

#include <string>

namespace patina {

struct Override {
  std::string section;  // "": the top level
  std::string key;
  std::string value;  // in TOML: quoted unless it is a TOML value as it stands
};

/// Throws Error(usage) like RecipeFile::read for what is no override.
Override split_override(const std::string& text);

}  // namespace patina
