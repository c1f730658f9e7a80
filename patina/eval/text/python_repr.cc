#include "patina/eval/text/python_repr.h"

#include <algorithm>

namespace patina::python {

bool is_word(char32_t c) {
  return is_letter(c) || is_number(c) || c == U'_';
}

std::vector<std::string> split(std::string_view text, bool (*separates)(char32_t)) {
  const std::u32string decoded = to_utf32(text);
  std::vector<std::string> pieces;
  auto end = decoded.begin();
  while (true) {
    const auto begin = std::find_if_not(end, decoded.end(), separates);
    if (begin == decoded.end()) return pieces;
    end = std::find_if(begin, decoded.end(), separates);
    pieces.push_back(to_utf8({begin, end}));
  }
}

std::string strip_right(std::string_view text) {
  std::u32string decoded = to_utf32(text);
  while (!decoded.empty() && is_python_space(decoded.back())) decoded.pop_back();
  return to_utf8(decoded);
}

}  // namespace patina::python
