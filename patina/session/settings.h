// Options set in C++ as in a recipe: a key and a value.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// {"projection", 2000}, {"optimizer.lr", 0.01}, {"layers", {0, 1}}, {"adaptation", "none"}.
class Setting {
 public:
  Setting(std::string_view key, bool value);
  template <std::integral Integer>
  Setting(std::string_view key, Integer value) : Setting(key, std::to_string(value), Raw{}) {}
  Setting(std::string_view key, double value);
  Setting(std::string_view key, const char* value) : Setting(key, std::string_view(value)) {}
  Setting(std::string_view key, std::string_view value);
  Setting(std::string_view key, const std::string& value) : Setting(key, std::string_view(value)) {}
  Setting(std::string_view key, const std::vector<int64_t>& value);
  Setting(std::string_view key, const std::vector<double>& value);
  Setting(std::string_view key, const std::vector<std::string>& value);

  /// "section.key=value" in TOML's syntax, as for `--set`; `section` may be empty.
  std::string text(std::string_view section = {}) const;

 private:
  struct Raw {};
  Setting(std::string_view key, std::string toml, Raw) : key_(key), toml_(std::move(toml)) {}

  std::string key_, toml_;
};

using Settings = std::vector<Setting>;

}  // namespace patina
