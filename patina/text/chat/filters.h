// Jinja's filters, with transformers' own "tojson".
#pragma once

#include <optional>
#include <string_view>

#include "patina/text/chat/arguments.h"
#include "patina/text/chat/operations.h"

namespace patina::chat {

bool is_filter(std::string_view name);

/// The argument of a filter such as map that is the name of a filter or of a test; nothing for
/// other filters. `at`: 1 for the first.
struct NameArgument {
  size_t at = 1;
  bool filter = false;
};
std::optional<NameArgument> names_of(std::string_view filter);

/// Throws Error(data) for a filter that patina does not have.
Value filtered(Operations& python, std::string_view name, const Value& value,
               const Arguments& arguments);

}  // namespace patina::chat
