// Python's str on Unicode text: what the field's metric tools mean by lower case, white space and
// words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Every function takes any bytes: what is not UTF-8 is read as U+FFFD, one a byte.
namespace patina::python {

std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);

/// str.lower(): the full mapping, so a capital sigma that ends a word becomes a final one.
std::string lower(std::string_view text);

/// str.isspace() of one character; \s of a regular expression.
bool is_space(char32_t c);
/// \w of a regular expression: letters, numbers and the underscore.
bool is_word(char32_t c);

/// The stretches between separators that are not empty; by default str.split().
std::vector<std::string> split(std::string_view text, bool (*separates)(char32_t) = is_space);
/// str.rstrip().
std::string strip_right(std::string_view text);

}  // namespace patina::python
