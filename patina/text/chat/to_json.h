// JSON as Python's json.dumps writes it.
#pragma once

#include <optional>
#include <string>

#include "patina/text/chat/operations.h"

namespace patina::chat {

struct JsonStyle {
  bool ascii = false;  // escape all that is not ASCII
  bool sorted = false;
  std::optional<std::string> indent;  // before each level's lines; nothing: one line
  std::string between = ", ", after_key = ": ";
};

/// Throws Error(data) for a value that JSON does not have.
std::string to_json(Operations& python, const Value& value, const JsonStyle& style);

}  // namespace patina::chat
