// Python's str on Unicode text, beyond what patina/text/unicode/unicode.h has: what the field's
// metric tools mean by words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/text/unicode/unicode.h"

/// Every function takes any bytes: what is not UTF-8 is read as U+FFFD.
namespace patina::python {

/// \w of a regular expression: letters, numbers and the underscore.
bool is_word(char32_t c);

/// The stretches between separators that are not empty; by default str.split().
std::vector<std::string> split(std::string_view text,
                               bool (*separates)(char32_t) = is_python_space);
/// str.rstrip().
std::string strip_right(std::string_view text);

}  // namespace patina::python
