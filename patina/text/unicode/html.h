// Replaces HTML character references ("&amp;", "&#39;", "&hearts;") by their characters, by the
// rules of browsers (and of Python's html.unescape).
#pragma once

#include <string>
#include <string_view>

namespace patina {

/// `text` must be UTF-8. Text that is no reference stays unchanged.
std::string unescape_html(std::string_view text);

/// "name=HEX name*=HEX+HEX ...": see html_entities.cc.
const char* html_entity_table();

}  // namespace patina
