// Python's str over utf8proc's tables.
#include "patina/eval/python_str.h"

#include <utf8proc.h>

#include <algorithm>

namespace patina::python {
namespace {

constexpr char32_t kUnreadable = 0xFFFD;
constexpr char32_t kCapitalDottedI = 0x130, kDotAbove = 0x307;
constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;

char32_t lower_of(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

// Unicode's Case_Ignorable: marks, modifiers, and the punctuation that may stand inside a word.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return std::u32string_view(
                 U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52"
                 U"\uFE55\uFF07\uFF0E\uFF1A")
                 .find(c) != std::u32string_view::npos;
  }
}

bool is_cased(char32_t c) {
  const auto kind = category(c);
  const bool is_ordinal = c == 0xAA || c == 0xBA;  // lower case by Unicode, though no Ll
  return is_ordinal || kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
         kind == UTF8PROC_CATEGORY_LT || lower_of(c) != c ||
         utf8proc_toupper(static_cast<utf8proc_int32_t>(c)) != static_cast<utf8proc_int32_t>(c);
}

// Unicode's Final_Sigma: a cased letter before it and none after, passing over ignorable ones.
bool ends_word(const std::u32string& text, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return before > 0 && is_cased(text[before - 1]) &&
         (after == text.size() || !is_cased(text[after]));
}

}  // namespace

std::u32string decode(std::string_view text) {
  std::u32string decoded;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t c = 0;
    const auto length = utf8proc_iterate(bytes + at, size - at, &c);
    decoded += length > 0 ? static_cast<char32_t>(c) : kUnreadable;
    at += std::max<utf8proc_ssize_t>(length, 1);
  }
  return decoded;
}

std::string encode(std::u32string_view text) {
  std::string encoded;
  for (const char32_t c : text) {
    utf8proc_uint8_t bytes[4];
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
    encoded.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
  }
  return encoded;
}

std::string lower(std::string_view text) {
  const std::u32string decoded = decode(text);
  std::u32string lowered;
  for (size_t i = 0; i < decoded.size(); ++i) {
    const char32_t c = decoded[i];
    if (c == kCapitalDottedI)
      (lowered += U'i') += kDotAbove;
    else
      lowered += c == kCapitalSigma && ends_word(decoded, i) ? kFinalSigma : lower_of(c);
  }
  return encode(lowered);
}

bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0x2028 ||
         c == 0x2029 || category(c) == UTF8PROC_CATEGORY_ZS;
}

bool is_word(char32_t c) {
  const auto kind = category(c);
  return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) ||
         (kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO) || c == U'_';
}

std::vector<std::string> split(std::string_view text, bool (*separates)(char32_t)) {
  const std::u32string decoded = decode(text);
  std::vector<std::string> pieces;
  auto end = decoded.begin();
  while (true) {
    const auto begin = std::find_if_not(end, decoded.end(), separates);
    if (begin == decoded.end()) return pieces;
    end = std::find_if(begin, decoded.end(), separates);
    pieces.push_back(encode({begin, end}));
  }
}

std::string strip_right(std::string_view text) {
  std::u32string decoded = decode(text);
  while (!decoded.empty() && is_space(decoded.back())) decoded.pop_back();
  return encode(decoded);
}

}  // namespace patina::python
