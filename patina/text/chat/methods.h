// The methods of Python's strings, dicts and lists that templates call.
#pragma once

#include <string>
#include <string_view>

#include "patina/text/chat/arguments.h"
#include "patina/text/chat/operations.h"

namespace patina::chat {

/// Whether patina has a method of this name, of any type.
bool is_method(std::string_view name);
/// Whether Python's type has it: then value.name is the method, and not an item of that name.
bool has_method(const Value& value, std::string_view name);
/// Whether it is a method that would change the value, which a template may not.
bool changes(const Value& value, std::string_view name);

/// Throws Error(data) for a method that patina does not have.
Value call_method(Operations& python, const Value& receiver, const std::string& name,
                  const Arguments& arguments);

}  // namespace patina::chat
