// Functions of Python's str on Unicode text that patina/text/unicode/unicode.h does not have. The
// published metric tools define words by them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/text/unicode/unicode.h"

/// All functions accept any bytes; invalid UTF-8 is read as U+FFFD.
namespace patina::python {

/// As \w in a Python regular expression: letters, numbers and the underscore.
bool is_word(char32_t c);

/// The non-empty parts between separators. The default is str.split().
std::vector<std::string> split(std::string_view text,
                               bool (*separates)(char32_t) = is_python_space);
/// As str.rstrip().
std::string strip_right(std::string_view text);

}  // namespace patina::python
