#include "patina/text/unicode/html.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <unordered_map>

#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

using Entities = std::unordered_map<std::string, std::string>;

// The names of the table as they are written in a text, most of them with a final semicolon.
Entities read_entities() {
  Entities entities;
  const std::string_view table = html_entity_table();
  for (size_t at = 0; at < table.size();) {
    const size_t equals = table.find('=', at), end = table.find(' ', equals);
    std::string name(table.substr(at, equals - at)), value;
    for (size_t from = equals; from < end;) {
      uint32_t c = 0;
      const char* stop = table.data() + end;
      from = size_t(std::from_chars(table.data() + from + 1, stop, c, 16).ptr - table.data());
      append_utf8(value, c);
    }
    if (name.ends_with('*')) {
      name.pop_back();
      entities[name] = value;
    }
    entities[name + ";"] = value;
    at = end + 1;
  }
  return entities;
}

// Browsers read the numbers 0x80 to 0x9f as Windows-1252. Numbers without a character there stand
// for themselves.
constexpr std::array<char16_t, 32> kWindows1252{
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
    0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

// Control characters and noncharacters: a reference to them is invalid.
bool is_forbidden(uint32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f ||
         (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

std::string numbered_character(std::string_view digits, int base) {
  uint32_t c = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), c, base);
  std::string out;
  if (read.ec != std::errc() || c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    append_utf8(out, kReplacement);
  else if (c >= 0x80 && c < 0xa0)
    append_utf8(out, kWindows1252[c - 0x80]);
  else if (!is_forbidden(c))
    append_utf8(out, c);
  return out;
}

// The number of leading bytes that are digits of the base.
size_t count_digits(std::string_view text, int base) {
  const size_t end = text.find_first_not_of(base == 16 ? "0123456789abcdefABCDEF" : "0123456789");
  return end == std::string_view::npos ? text.size() : end;
}

// The longest text that can be a name: 32 characters, then an optional semicolon.
std::string_view name_at(std::string_view text) {
  constexpr int kLongest = 32;
  size_t at = 0;
  for (int i = 0; i < kLongest && at < text.size(); ++i) {
    if (std::strchr("\t\n\f <&#;", text[at]) && text[at] != '\0') break;
    next_code_point(text, at);
  }
  if (at > 0 && at < text.size() && text[at] == ';') ++at;
  return text.substr(0, at);
}

// The characters of a name. If it is unknown: those of its longest prefix that is a name, then the
// rest of the text; if no prefix is one, the unchanged text.
std::string named(std::string_view name) {
  static const Entities entities = read_entities();
  for (size_t length = name.size(); length > 1; --length)
    if (const auto at = entities.find(std::string(name.substr(0, length))); at != entities.end())
      return at->second + std::string(name.substr(length));
  return "&" + std::string(name);
}

}  // namespace

std::string unescape_html(std::string_view text) {
  std::string out;
  size_t at = 0;
  for (size_t mark; (mark = text.find('&', at)) != std::string_view::npos;) {
    out += text.substr(at, mark - at);
    at = mark + 1;
    std::string_view rest = text.substr(at);
    if (!rest.starts_with('#')) {
      const std::string_view name = name_at(rest);
      out += named(name);
      at += name.size();
      continue;
    }
    const int base = rest.size() > 1 && (rest[1] == 'x' || rest[1] == 'X') ? 16 : 10;
    const size_t start = base == 16 ? 2 : 1, digits = count_digits(rest.substr(start), base);
    if (digits == 0) {
      out += '&';
      continue;
    }
    out += numbered_character(rest.substr(start, digits), base);
    at += start + digits;
    if (at < text.size() && text[at] == ';') ++at;
  }
  return out += text.substr(at);
}

}  // namespace patina
