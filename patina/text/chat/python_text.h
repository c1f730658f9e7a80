// Python's strings: what their methods, slices and representations give. Texts are valid UTF-8;
// places and lengths count code points.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/text/chat/value.h"

namespace patina::chat {

enum class Side { left, right, both };
/// str.strip(), lstrip(), rstrip(): without white space, or without the characters of `these`.
std::string stripped(std::string_view text, Side side,
                     std::optional<std::string_view> these = std::nullopt);

/// str.split() and rsplit(): at white space, or at a separator that is not empty; at most `most`
/// times, if it is not negative.
std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most, bool from_right);
/// str.splitlines(), at Python's line boundaries.
std::vector<std::string> split_lines(std::string_view text, bool keep_ends = false);

/// str.replace(); replaces at most `most` times, if it is not negative. An empty `old` matches
/// around every character.
std::string replaced(std::string_view text, std::string_view old, std::string_view with,
                     int64_t most);
/// How often str.replace() would replace.
size_t count_of(std::string_view text, std::string_view part);

std::string upper_case(std::string_view text);
std::string title_case(std::string_view text);   // str.title()
std::string capitalized(std::string_view text);  // str.capitalize()

/// text[start:stop:step] of a text or of a list; what is not given counts as in Python. A step of
/// zero throws Error(data).
struct Slice {
  std::optional<int64_t> start, stop, step;
};
/// The places that a slice takes of `length` elements: `count` of them, from `first` on, before
/// `stop`.
struct Places {
  int64_t first = 0, stop = 0, step = 1;
  size_t count = 0;
};
Places places_of(const Slice& slice, size_t length);
std::string sliced(const Text& text, const Places& places);

/// repr() of a string and of a float.
std::string represented(std::string_view text);
std::string represented(double number);

}  // namespace patina::chat
