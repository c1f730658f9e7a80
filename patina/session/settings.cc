#include "patina/session/settings.h"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace patina {

namespace {

std::string toml(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string toml(std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += fmt::format("\\u{:04x}", unsigned(c));
    else
      quoted += c;
  }
  return quoted + "\"";
}

template <class T>
std::string list(const std::vector<T>& values) {
  std::vector<std::string> items;
  for (const auto& value : values) items.push_back(toml(value));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace

Setting::Setting(std::string_view key, bool value)
    : Setting(key, value ? "true" : "false", Raw{}) {}
Setting::Setting(std::string_view key, double value) : Setting(key, toml(value), Raw{}) {}
Setting::Setting(std::string_view key, std::string_view value) : Setting(key, toml(value), Raw{}) {}
Setting::Setting(std::string_view key, const std::vector<int64_t>& value)
    : Setting(key, fmt::format("[{}]", fmt::join(value, ", ")), Raw{}) {}
Setting::Setting(std::string_view key, const std::vector<double>& value)
    : Setting(key, list(value), Raw{}) {}
Setting::Setting(std::string_view key, const std::vector<std::string>& value)
    : Setting(key, list(value), Raw{}) {}

std::string Setting::text(std::string_view section) const {
  return fmt::format("{}{}{}={}", section, section.empty() ? "" : ".", key_, toml_);
}

}  // namespace patina
