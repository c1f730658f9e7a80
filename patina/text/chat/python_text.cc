#include "patina/text/chat/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "patina/text/chat/source.h"
#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

bool is_line_end(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

std::vector<std::string> split_at_space(std::string_view text, int64_t most) {
  std::vector<std::string> parts;
  size_t at = 0;
  const auto skip_while = [&](bool space) {
    while (at < text.size()) {
      size_t after = at;
      if (is_python_space(next_code_point(text, after)) != space) break;
      at = after;
    }
  };
  for (skip_while(true); at < text.size(); skip_while(true)) {
    if (most >= 0 && int64_t(parts.size()) == most) {
      parts.emplace_back(text.substr(at));
      break;
    }
    const size_t begin = at;
    skip_while(false);
    parts.emplace_back(text.substr(begin, at - begin));
  }
  return parts;
}

std::vector<std::string> split_at_space_from_right(std::string_view text, int64_t most) {
  std::vector<std::string> parts;
  size_t end = text.size();
  const auto skip_while = [&](bool space) {
    while (end > 0) {
      const char32_t c = code_point_before(text, end);
      if (is_python_space(c) != space) break;
      do --end;
      while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
    }
  };
  for (skip_while(true); end > 0; skip_while(true)) {
    if (most >= 0 && int64_t(parts.size()) == most) {
      parts.emplace_back(text.substr(0, end));
      break;
    }
    const size_t stop = end;
    skip_while(false);
    parts.emplace_back(text.substr(end, stop - end));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separator, int64_t most) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t found; (most < 0 || int64_t(parts.size()) < most) &&
                     (found = text.find(separator, begin)) != std::string_view::npos;
       begin = found + separator.size())
    parts.emplace_back(text.substr(begin, found - begin));
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::vector<std::string> split_at_from_right(std::string_view text, std::string_view separator,
                                             int64_t most) {
  std::vector<std::string> parts;
  while (most < 0 || int64_t(parts.size()) < most) {
    const size_t found = text.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.emplace_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// Characters that Python's repr writes as they are.
bool is_printable(char32_t c) {
  return c == ' ' || !(is_other(c) || is_space_separator(c) || c == 0x2028 || c == 0x2029);
}

std::u32string title_of(char32_t c) {
  std::u32string title;
  append_title(title, c);
  return title;
}

// Calls back for each character and its lower case within the whole text: that of a sigma depends
// on its neighbours.
template <class Call>
void each_with_lower(std::string_view text, Call&& call) {
  const std::u32string lower = to_utf32(lower_case(std::string(text), Sigma::by_word));
  size_t there = 0;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    const size_t length = c == 0x130 ? 2 : 1;
    call(c, std::u32string_view(lower).substr(there, length));
    there += length;
  }
}

}  // namespace

std::string stripped(std::string_view text, Side side, std::optional<std::string_view> these) {
  std::u32string set;
  if (these) set = to_utf32(*these);
  std::sort(set.begin(), set.end());
  const auto goes = [&](char32_t c) {
    return these ? std::binary_search(set.begin(), set.end(), c) : is_python_space(c);
  };
  size_t begin = 0;
  while (side != Side::right && begin < text.size()) {
    size_t after = begin;
    if (!goes(next_code_point(text, after))) break;
    begin = after;
  }
  text.remove_prefix(begin);
  while (side != Side::left && !text.empty() && goes(code_point_before(text, text.size()))) {
    while ((static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
    text.remove_suffix(1);
  }
  return std::string(text);
}

std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               int64_t most, bool from_right) {
  if (!separator)
    return from_right ? split_at_space_from_right(text, most) : split_at_space(text, most);
  if (separator->empty()) wrong("the separator of a split is empty");
  return from_right ? split_at_from_right(text, *separator, most)
                    : split_at(text, *separator, most);
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t c = next_code_point(text, at);
    if (!is_line_end(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string replaced(std::string_view text, std::string_view old, std::string_view with,
                     int64_t most) {
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; most < 0 || done < most; ++done) {
    if (old.empty()) {
      out += with;
      if (at == text.size()) break;
      const size_t begin = at;
      next_code_point(text, at);
      out += text.substr(begin, at - begin);
      continue;
    }
    const size_t found = text.find(old, at);
    if (found == std::string_view::npos) break;
    out += text.substr(at, found - at);
    out += with;
    at = found + old.size();
  }
  out += text.substr(at);
  return out;
}

size_t count_of(std::string_view text, std::string_view part) {
  if (part.empty()) return count_code_points(text) + 1;
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size())
    ++count;
  return count;
}

std::string upper_case(std::string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) append_upper(out, next_code_point(text, at));
  return to_utf8(out);
}

std::string title_case(std::string_view text) {
  std::string out;
  bool inside = false;  // of a word: after a letter with case
  each_with_lower(text, [&](char32_t c, std::u32string_view lower) {
    out += to_utf8(inside ? std::u32string(lower) : title_of(c));
    inside = is_cased(c);
  });
  return out;
}

std::string capitalized(std::string_view text) {
  std::string out;
  bool first = true;
  each_with_lower(text, [&](char32_t c, std::u32string_view lower) {
    out += to_utf8(first ? title_of(c) : std::u32string(lower));
    first = false;
  });
  return out;
}

Places places_of(const Slice& slice, size_t length) {
  const int64_t step = slice.step.value_or(1), size = int64_t(length);
  if (step == 0) wrong("the step of a slice is zero");
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto bound = [&](std::optional<int64_t> given, int64_t otherwise) {
    if (!given) return otherwise;
    return std::clamp(*given < 0 ? *given + size : *given, low, high);
  };
  const int64_t start = bound(slice.start, step > 0 ? low : high);
  const int64_t stop = bound(slice.stop, step > 0 ? high : low);
  Places places{start, stop, step, 0};
  // In unsigned arithmetic: the distance and the step may be as large as int64 allows.
  if (step > 0 && start < stop)
    places.count = size_t((uint64_t(stop) - uint64_t(start) - 1) / uint64_t(step) + 1);
  if (step < 0 && stop < start)
    places.count = size_t((uint64_t(start) - uint64_t(stop) - 1) / (0 - uint64_t(step)) + 1);
  return places;
}

std::string sliced(const Text& text, const Places& places) {
  std::string out;
  if (text.ascii()) {
    for (size_t i = 0; i < places.count; ++i)
      out += text.bytes[size_t(places.first + int64_t(i) * places.step)];
    return out;
  }
  const std::u32string points = to_utf32(text.bytes);
  for (size_t i = 0; i < places.count; ++i)
    append_utf8(out, points[size_t(places.first + int64_t(i) * places.step)]);
  return out;
}

std::string represented(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"'
                                                                                            : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_code_point(text, at);
    if (c == char32_t(quote) || c == '\\')
      out += {'\\', char(c)};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (is_printable(c))
      out += text.substr(begin, at - begin);
    else if (c < 0x100)
      out += fmt::format("\\x{:02x}", uint32_t(c));
    else
      out += c < 0x10000 ? fmt::format("\\u{:04x}", uint32_t(c))
                         : fmt::format("\\U{:08x}", uint32_t(c));
  }
  return out + quote;
}

std::string represented(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  // The shortest digits that read as the same number; Python writes an exponent below 1e-4 and
  // from 1e16 on.
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  std::string digits(buffer, end.ptr);
  const int exponent = std::stoi(digits.substr(digits.find('e') + 1));
  if (exponent < -4 || exponent >= 16) return digits;
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  return out.find('.') == std::string::npos ? out + ".0" : out;
}

}  // namespace patina::chat
