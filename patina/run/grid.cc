#include "patina/run/grid.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/config/option_keys.h"
#include "patina/config/override.h"
#include "patina/learners/registry.h"
#include "patina/run/recipe.h"

namespace patina {

namespace {

constexpr size_t kLongestFolder = 100;

std::string_view trimmed(std::string_view text) {
  const size_t start = text.find_first_not_of(' ');
  if (start == text.npos) return {};
  return text.substr(start, text.find_last_not_of(' ') - start + 1);
}

// Divides "a,[1,2],b" at the commas outside brackets and quotes.
std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      parts.emplace_back();
      continue;
    }
    parts.back() += c;
  }
  for (auto& part : parts) part = trimmed(part);
  return parts;
}

bool is_list(std::string_view text) {
  return text.size() >= 2 && text.front() == '[' && text.back() == ']';
}

std::vector<std::string> values_in(const std::string& key, std::string_view text, bool bare) {
  std::vector<std::string> values = split_at_commas(text);
  if (values.size() > 1) return bare ? values : std::vector{std::string(trimmed(text))};
  const std::string& only = values.front();
  if (!is_list(only)) return values;
  std::vector<std::string> inner =
      split_at_commas(std::string_view(only).substr(1, only.size() - 2));
  if (takes_list(key) && !std::ranges::all_of(inner, is_list)) return values;
  return inner;
}

}  // namespace

bool takes_list(const std::string& key) {
  static const std::set<std::string> keys = [] {
    std::set<std::string> found;
    const auto add = [&](const std::string& section, const std::function<void(Fields&)>& bind) {
      for (const auto& option : option_keys(bind))
        if (option.is_list) found.insert(section + option.key);
    };
    Recipe recipe;
    add("", [&](Fields& f) { recipe.bind(f); });
    for (const auto& row : learners()) add("learner.", [&](Fields& f) { row.options()->bind(f); });
    return found;
  }();
  return keys.contains(key);
}

GridKey read_grid_key(const std::string& text, bool bare) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(ErrorKind::usage, "{}: expected key=value,value", text);
  const Override first = split_override(text);
  GridKey key{.name = first.section.empty() ? first.key : first.section + "." + first.key,
              .values = {}};
  for (const auto& value : values_in(key.name, std::string_view(text).substr(equals + 1), bare)) {
    if (value.empty()) fail(ErrorKind::usage, "{}: a value is missing", text);
    const std::string setting = fmt::format("{}={}", key.name, value);
    if (std::ranges::count(key.values, setting) > 0)
      fail(ErrorKind::usage, "{}: the value is there twice", setting);
    key.values.push_back(setting);
  }
  return key;
}

std::vector<std::vector<std::string>> product(const std::vector<GridKey>& keys) {
  std::vector<std::vector<std::string>> all(1);
  for (const auto& key : keys) {
    if (all.size() * key.values.size() > size_t(kMostCombinations))
      fail(ErrorKind::usage, "more than {} combinations of values: name fewer", kMostCombinations);
    std::vector<std::vector<std::string>> longer;
    for (const auto& values : all)
      for (const auto& value : key.values) {
        longer.push_back(values);
        longer.back().push_back(value);
      }
    all = std::move(longer);
  }
  return all;
}

std::string folder_name_of(const std::vector<std::string>& values) {
  const std::string text = fmt::format("{}", fmt::join(values, ","));
  std::string name;
  for (const char c : text)
    name += std::isalnum(static_cast<unsigned char>(c)) || std::strchr("._=,+-", c) ? c : '_';
  if (name == text && name.size() <= kLongestFolder) return name;
  ContentHash hash;
  hash.add(text);
  return name.substr(0, kLongestFolder) + "-" + hash.hex().substr(0, 8);
}

}  // namespace patina
