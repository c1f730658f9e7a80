// Tables of metrics: finding a row by its name, and printing all for the reference page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/error.h"

namespace patina {

/// The row called `name`. Throws Error(usage) with "did you mean"; `what` names the kind.
template <class Row>
const Row& row_named(const std::vector<Row>& rows, std::string_view name, std::string_view what) {
  std::vector<std::string> names;
  for (const auto& each : rows) {
    if (each.name == name) return each;
    names.push_back(each.name);
  }
  fail(ErrorKind::usage, "unknown {} \"{}\"{} (`patina list metrics` shows all)", what, name,
       did_you_mean(name, names));
}

/// Every row as a section: formula, what it tells, source.
template <class Row>
std::string rows_markdown(const std::vector<Row>& rows) {
  std::string page;
  for (const auto& each : rows)
    page += fmt::format("\n## {}\n\n`{}`\n\n{}\n\nSource: {}.\n", each.name, each.formula,
                        each.about, each.source);
  return page;
}

}  // namespace patina
