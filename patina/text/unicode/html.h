// HTML character references in text ("&amp;", "&#39;", "&hearts;") read as the characters they
// stand for, by the rules of a browser's text (and of Python's html.unescape).
#pragma once

#include <string>
#include <string_view>

namespace patina {

/// `text` must be UTF-8. What is no reference stays as it is.
std::string unescape_html(std::string_view text);

/// "name=HEX name*=HEX+HEX ...": see html_entities.cc.
const char* html_entity_table();

}  // namespace patina
