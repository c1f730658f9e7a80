// The functions that every chat template has.
#pragma once

#include <ctime>
#include <string>

#include "patina/text/chat/arguments.h"
#include "patina/text/chat/operations.h"

namespace patina::chat {

/// The function of that name; missing if there is none.
Value global(const std::string& name);

/// `now`: the date that strftime_now writes. raise_exception throws Error(data) with its message.
Value call_function(Operations& python, Function function, const Arguments& arguments,
                    const std::tm& now);

/// Names that begin with "_" are refused, as transformers refuses them.
void set_member(Space& space, const std::string& name, const Value& value);

}  // namespace patina::chat
