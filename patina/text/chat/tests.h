// Jinja's tests: "x is defined".
#pragma once

#include <string_view>

#include "patina/text/chat/arguments.h"
#include "patina/text/chat/operations.h"

namespace patina::chat {

bool is_test(std::string_view name);
/// Throws Error(data) for a test that patina does not have.
bool passes(Operations& python, std::string_view name, const Value& value,
            const Arguments& arguments);

}  // namespace patina::chat
