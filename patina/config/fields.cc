// Ranges and the overloads that turn a field's description into what a visitor sees.
#include "patina/config/fields.h"

#include <fmt/format.h>

#include <cmath>

namespace patina {

bool Range::holds(double value) const {
  if (std::isnan(value)) return false;
  return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
}

std::string Range::text() const {
  if (std::isinf(low) && std::isinf(high)) return "";
  if (std::isinf(high)) return fmt::format("{} {}", low_open ? ">" : ">=", low);
  if (std::isinf(low)) return fmt::format("{} {}", high_open ? "<" : "<=", high);
  return fmt::format("in {}{}, {}{}", low_open ? '(' : '[', low, high, high_open ? ')' : ']');
}

void Fields::operator()(std::string_view key, bool& value, std::string_view help) {
  visit({.key = key, .help = help}, value);
}
void Fields::operator()(std::string_view key, int64_t& value, std::string_view help, Range range) {
  visit({.key = key, .help = help, .range = range}, value);
}
void Fields::operator()(std::string_view key, double& value, std::string_view help, Range range) {
  visit({.key = key, .help = help, .range = range}, value);
}
void Fields::operator()(std::string_view key, std::string& value, std::string_view help,
                        std::vector<std::string> choices) {
  visit({.key = key, .help = help, .choices = std::move(choices)}, value);
}
void Fields::operator()(std::string_view key, std::vector<int64_t>& value, std::string_view help,
                        Range range) {
  visit({.key = key, .help = help, .range = range}, value);
}
void Fields::operator()(std::string_view key, std::vector<double>& value, std::string_view help,
                        Range range) {
  visit({.key = key, .help = help, .range = range}, value);
}
void Fields::operator()(std::string_view key, std::vector<std::string>& value,
                        std::string_view help) {
  visit({.key = key, .help = help}, value);
}

void Fields::require(bool, std::string_view, std::string_view) {}

}  // namespace patina
