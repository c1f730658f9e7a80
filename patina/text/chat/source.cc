#include "patina/text/chat/source.h"

#include <algorithm>

#include "patina/text/unicode/unicode.h"

namespace patina::chat {

std::string Source::place(size_t at) const {
  const std::string_view before = std::string_view(text).substr(0, std::min(at, text.size()));
  const size_t line = size_t(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}: line {}, column {}", origin, line,
                     count_code_points(before.substr(begin)) + 1);
}

}  // namespace patina::chat
