#include "patina/checkpoint/name_table.h"

#include <algorithm>

namespace patina {

namespace {

// What follows `pattern` in `name`, with the number that its `{}` stood for; nothing when they
// part.
struct Rest {
  std::string_view number, tail;
};
std::optional<Rest> match(std::string_view pattern, std::string_view name) {
  Rest rest;
  if (const auto hole = pattern.find("{}"); hole != pattern.npos) {
    if (name.substr(0, hole) != pattern.substr(0, hole)) return std::nullopt;
    name.remove_prefix(hole);
    const auto digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 0) return std::nullopt;
    rest.number = name.substr(0, digits);
    name.remove_prefix(digits);
    pattern.remove_prefix(hole + 2);
  }
  if (!name.starts_with(pattern)) return std::nullopt;
  rest.tail = name.substr(pattern.size());
  if (!rest.tail.empty() && rest.tail.front() != '.') return std::nullopt;
  return rest;
}

std::string replaced(std::string text, std::string_view mark, std::string_view by) {
  if (const auto at = text.find(mark); at != text.npos) text.replace(at, mark.size(), by);
  return text;
}

bool glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*')
    return !text.empty() && pattern.front() == text.front() &&
           glob(pattern.substr(1), text.substr(1));
  for (size_t skip = 0; skip <= text.size(); ++skip)
    if (glob(pattern.substr(1), text.substr(skip))) return true;
  return false;
}

}  // namespace

NameTable::Found NameTable::find(std::string_view ours, std::string_view prefix) const {
  for (const auto& rule : rules) {
    const auto rest = match(rule.ours, ours);
    if (!rest) continue;
    Found found{.transposed = rule.transposed};
    for (const auto& name : rule.theirs)
      found.theirs.push_back(replaced(replaced(name, "{}", rest->number), "@", prefix) +
                             std::string(rest->tail));
    return found;
  }
  return {{std::string(ours)}};
}

bool NameTable::is_unneeded(std::string_view theirs, std::string_view prefix) const {
  return std::any_of(unneeded.begin(), unneeded.end(), [&](const std::string& pattern) {
    return glob(replaced(pattern, "@", prefix), theirs);
  });
}

}  // namespace patina
