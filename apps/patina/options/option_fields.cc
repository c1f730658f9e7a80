#include "apps/patina/options/option_fields.h"

#include <fmt/core.h>

#include <algorithm>

namespace patina::cli {

namespace {

std::string spelled(const FieldInfo& info, std::string_view before = "--") {
  std::string name(before);
  name += info.key;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

template <class T>
void OptionFields::number(const FieldInfo& info, T& value) {
  const auto option = command_.option(spelled(info), value, std::string(info.help));
  option.shows_default();
  const Range range = info.range;
  if (range.text().empty()) return;
  option.check([range](const std::string& text) {
    try {
      if (range.holds(std::stod(text))) return std::string();
    } catch (const std::exception&) {
    }
    return fmt::format("{} must be {}", text, range.text());
  });
}

// A flag that is on by default becomes an option that switches it off.
void OptionFields::visit(const FieldInfo& info, bool& value) {
  if (value)
    command_.flag(
        spelled(info, "--no-"), [&value] { value = false; }, "Turn off: " + std::string(info.help));
  else
    command_.flag(spelled(info), value, std::string(info.help));
}

void OptionFields::visit(const FieldInfo& info, std::string& value) {
  const auto option = command_.option(spelled(info), value, std::string(info.help));
  option.shows_default();
  if (!info.choices.empty()) option.one_of(info.choices);
}

void OptionFields::visit(const FieldInfo& info, std::vector<std::string>& value) {
  command_.option(spelled(info), value, std::string(info.help)).one_at_a_time();
}

}  // namespace patina::cli
