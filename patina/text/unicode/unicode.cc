#include "patina/text/unicode/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace patina {

namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(utf8proc_int32_t(c));
}

bool between(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

struct CodeRange {
  char32_t first, last;
};

bool is_ascii_byte(char byte) {
  return uint8_t(byte) < 0x80;
}

bool in_ranges(char32_t c, std::span<const CodeRange> ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const CodeRange& range) { return c >= range.first && c <= range.last; });
}

// The length in bytes of a character with a given first byte, and the range of its second byte. A
// length of 0: no character begins with this byte.
struct Lead {
  int length;
  uint8_t lowest, highest;
};

Lead lead(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2 || byte > 0xf4) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte < 0xf0)
    return {3, uint8_t(byte == 0xe0 ? 0xa0 : 0x80), uint8_t(byte == 0xed ? 0x9f : 0xbf)};
  return {4, uint8_t(byte == 0xf0 ? 0x90 : 0x80), uint8_t(byte == 0xf4 ? 0x8f : 0xbf)};
}

// As next_code_point. `good`: whether the bytes were valid UTF-8.
char32_t decode(std::string_view text, size_t& at, bool& good) {
  const auto byte = [&](size_t i) { return uint8_t(text[i]); };
  const Lead first = lead(byte(at));
  good = first.length > 0;
  char32_t c = byte(at++);
  if (first.length == 1) return c;
  c &= 0x7fu >> first.length;
  for (int i = 1; i < first.length; ++i, ++at) {
    const bool fits = at < text.size() && byte(at) >= (i == 1 ? first.lowest : 0x80) &&
                      byte(at) <= (i == 1 ? first.highest : 0xbf);
    if (!fits) good = false;
    if (!good) return kReplacement;
    c = c << 6 | (byte(at) & 0x3f);
  }
  return good ? c : kReplacement;
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t& at) {
  bool good;
  return decode(text, at, good);
}

char32_t code_point_before(std::string_view text, size_t at) {
  do {
    --at;
  } while (at > 0 && (uint8_t(text[at]) & 0xc0) == 0x80);
  return next_code_point(text, at);
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += {char(0xc0 | c >> 6), char(0x80 | (c & 0x3f))};
  } else if (c < 0x10000) {
    out += {char(0xe0 | c >> 12), char(0x80 | (c >> 6 & 0x3f)), char(0x80 | (c & 0x3f))};
  } else {
    out += {char(0xf0 | c >> 18), char(0x80 | (c >> 12 & 0x3f)), char(0x80 | (c >> 6 & 0x3f)),
            char(0x80 | (c & 0x3f))};
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_ascii_byte);
}

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    bool good;
    decode(text, at, good);
    if (!good) return false;
  }
  return true;
}

std::string repaired_utf8(std::string_view text) {
  return is_utf8(text) ? std::string(text) : to_utf8(to_utf32(text));
}

std::u32string to_utf32(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) out += next_code_point(text, at);
  return out;
}

std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

size_t count_code_points(std::string_view text) {
  return size_t(
      std::count_if(text.begin(), text.end(), [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
}

bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return between(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_mark(char32_t c) {
  return c >= 0x300 && between(category(c), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool is_nonspacing_mark(char32_t c) {
  return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN;
}

bool is_other(char32_t c) {
  if (c < 0x80) return c < 0x20 || c == 0x7f;
  const auto found = category(c);
  return found == UTF8PROC_CATEGORY_CN ||
         between(found, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

bool is_unicode_punctuation(char32_t c) {
  return between(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || between(category(c), UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
}

bool is_space_separator(char32_t c) {
  return c < 0x80 ? c == ' ' : category(c) == UTF8PROC_CATEGORY_ZS;
}

bool is_python_space(char32_t c) {
  return is_space(c) || (c >= 0x1c && c <= 0x1f);
}

bool is_word(char32_t c) {
  if (c < 0x80) return is_letter(c) || is_number(c) || c == '_';
  // Join_Control, and the symbols with the property Alphabetic: circled and squared letters.
  static constexpr CodeRange kExtra[] = {{0x200c, 0x200d},
                                         {0x24b6, 0x24e9},
                                         {0x1f130, 0x1f149},
                                         {0x1f150, 0x1f169},
                                         {0x1f170, 0x1f189}};
  const auto found = category(c);
  return between(found, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_NL) ||
         found == UTF8PROC_CATEGORY_PC || in_ranges(c, kExtra);
}

// Letters with case, Other_Lowercase and Other_Uppercase.
bool is_cased(char32_t c) {
  static constexpr CodeRange kOther[] = {
      {0xaa, 0xaa},       {0xba, 0xba},       {0x2b0, 0x2b8},     {0x2c0, 0x2c1},
      {0x2e0, 0x2e4},     {0x345, 0x345},     {0x37a, 0x37a},     {0x1d2c, 0x1d6a},
      {0x1d78, 0x1d78},   {0x1d9b, 0x1dbf},   {0x2071, 0x2071},   {0x207f, 0x207f},
      {0x2090, 0x209c},   {0x2160, 0x217f},   {0x24b6, 0x24e9},   {0x2c7c, 0x2c7d},
      {0xa69c, 0xa69d},   {0xa770, 0xa770},   {0xa7f8, 0xa7f9},   {0xab5c, 0xab5f},
      {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba},
      {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189}};
  return between(category(c), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LT) || in_ranges(c, kOther);
}

namespace {

// The property Case_Ignorable: marks, format characters, modifiers, and punctuation inside words.
bool is_case_ignorable(char32_t c) {
  static constexpr std::u32string_view kInsideWords =
      U"'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a";
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return kInsideWords.find(c) != std::u32string_view::npos;
  }
}

constexpr char32_t kCapitalSigma = 0x3a3, kSmallSigma = 0x3c3, kFinalSigma = 0x3c2;

// Final_Sigma of the Unicode standard, section 3.13, in one pass. A capital sigma becomes a final
// sigma if a cased letter precedes it and none follows; case-ignorable characters do not count.
void end_words_with_final_sigma(std::u32string_view text, std::u32string& lower,
                                const std::vector<size_t>& where) {
  std::vector<bool> cased_before(where.size()), cased_after(where.size());
  bool cased = false;
  for (size_t i = 0, k = 0; k < where.size(); ++i) {
    if (i == where[k]) cased_before[k++] = cased;
    if (!is_case_ignorable(text[i])) cased = is_cased(text[i]);
  }
  cased = false;
  for (size_t i = text.size(), k = where.size(); k > 0; --i) {
    if (i - 1 == where[k - 1]) cased_after[--k] = cased;
    if (!is_case_ignorable(text[i - 1])) cased = is_cased(text[i - 1]);
  }
  size_t k = 0;
  for (char32_t& c : lower)
    if (c == kCapitalSigma) {
      c = cased_before[k] && !cased_after[k] ? kFinalSigma : kSmallSigma;
      ++k;
    }
}

}  // namespace

namespace {

void append_lower(std::u32string& out, char32_t c) {
  if (c == 0x130)
    out += U"i\u0307";  // utf8proc has only the simple mapping
  else
    out += char32_t(utf8proc_tolower(utf8proc_int32_t(c)));
}

std::string lower_case_by_word(std::string_view text) {
  const std::u32string source = to_utf32(text);
  std::u32string lower;
  std::vector<size_t> sigmas;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == kCapitalSigma) {
      sigmas.push_back(i);
      lower += kCapitalSigma;
    } else {
      append_lower(lower, source[i]);
    }
  }
  end_words_with_final_sigma(source, lower, sigmas);
  return to_utf8(lower);
}

}  // namespace

std::string lower_case(std::string text, Sigma sigma) {
  if (sigma == Sigma::by_word && text.find("\u03a3") != std::string::npos)
    return lower_case_by_word(text);
  std::string out;
  out.reserve(text.size());
  std::u32string lower;
  for (size_t at = 0; at < text.size();) {
    if (const char c = text[at]; is_ascii_byte(c)) {
      out += c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
      ++at;
      continue;
    }
    lower.clear();
    append_lower(lower, next_code_point(text, at));
    for (const char32_t c : lower) append_utf8(out, c);
  }
  return out;
}

namespace {

// The full decomposition of all code points, with marks in canonical order.
std::vector<utf8proc_int32_t> decomposed(std::string_view text, bool compatibility) {
  const int options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
  std::vector<utf8proc_int32_t> out;
  std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition (U+FDFA) has 18
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    int boundary = 0;
    const auto count = utf8proc_decompose_char(utf8proc_int32_t(c), parts.data(), parts.size(),
                                               utf8proc_option_t(options), &boundary);
    if (count > 0 && size_t(count) <= parts.size())
      out.insert(out.end(), parts.begin(), parts.begin() + count);
    else
      out.push_back(utf8proc_int32_t(c));
  }
  const auto combining = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  const auto is_mark = [&](utf8proc_int32_t c) { return combining(c) != 0; };
  for (auto from = std::find_if(out.begin(), out.end(), is_mark); from != out.end();) {
    const auto to = std::find_if_not(from, out.end(), is_mark);
    std::stable_sort(from, to, [&](auto a, auto b) { return combining(a) < combining(b); });
    from = std::find_if(to, out.end(), is_mark);
  }
  return out;
}

// Below U+0300, no character composes with the one before it (NFC). Below U+0080, none decomposes.
bool may_change(char c, NormalForm form) {
  return uint8_t(c) >= (form == NormalForm::nfc ? 0xcc : 0x80);
}

std::string normalized_stretch(std::string_view text, NormalForm form) {
  const bool compatibility = form == NormalForm::nfkc || form == NormalForm::nfkd;
  std::vector<utf8proc_int32_t> points = decomposed(text, compatibility);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) {
    // STABLE: characters that the standard excludes from composition stay decomposed.
    const auto length =
        utf8proc_normalize_utf32(points.data(), utf8proc_ssize_t(points.size()),
                                 utf8proc_option_t(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    if (length >= 0) points.resize(size_t(length));
  }
  std::string out;
  for (const auto point : points) append_utf8(out, char32_t(point));
  return out;
}

}  // namespace

// Normalizes only the parts that may change. A part begins at the last ASCII character before a
// byte that may change and ends at the next ASCII character. No composition crosses these limits.
std::string normalized(std::string text, NormalForm form) {
  const auto changes = [form](char c) { return may_change(c, form); };
  std::string out;
  auto done = text.begin();
  while (true) {
    auto begin = std::find_if(done, text.end(), changes);
    if (begin == text.end()) break;
    while (begin != done && !is_ascii_byte(*begin)) --begin;
    const auto end = std::find_if(std::next(begin), text.end(), is_ascii_byte);
    out.append(done, begin);
    out += normalized_stretch({begin, end}, form);
    done = end;
  }
  if (done == text.begin()) return text;
  return out.append(done, text.end());
}

}  // namespace patina
