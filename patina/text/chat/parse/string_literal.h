// String literals of a chat template.
#pragma once

#include <string>
#include <string_view>

#include "patina/text/chat/source.h"

namespace patina::chat {

/// The text of a literal without its quotes. `at`: the literal's place in the template, for
/// messages. Throws Error(format) for an escape sequence that is not one, and for \N{...}.
std::string unescaped(std::string_view raw, const Source& source, size_t at);

}  // namespace patina::chat
