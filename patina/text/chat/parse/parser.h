// Parses chat templates: the part of Jinja that published ones use.
#pragma once

#include "patina/text/chat/limits.h"
#include "patina/text/chat/tree.h"

namespace patina::chat {

/// Throws Error(format), which names the template, the place, and what is not supported.
Tree parse(std::string_view text, std::string origin, const ChatLimits& limits);

}  // namespace patina::chat
