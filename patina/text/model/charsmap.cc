#include "patina/text/model/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "patina/base/error.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

// A unit of the trie is a node or a leaf. Node: bits 0 to 7 are the byte that leads to it, bit 8
// tells whether it has a leaf, and bits 9 to 31 encode the distance to its children. Leaf: bit 31
// is set, the other bits are its value.
constexpr uint32_t kLeaf = 1u << 31;

// In bytes. The longest replacement in Unicode has 33.
constexpr size_t kLongestReplacement = 256;

uint32_t distance(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

bool has_leaf(uint32_t unit) {
  return (unit >> 8 & 1) == 1;
}

// Includes bit 31, so that the label of a leaf never equals a byte.
uint32_t label(uint32_t unit) {
  return unit & (kLeaf | 0xff);
}

// The end of the grapheme that begins at `at`.
size_t grapheme_end(std::string_view text, size_t at) {
  int32_t state = 0;
  char32_t before = next_code_point(text, at);
  while (at < text.size()) {
    size_t next = at;
    const char32_t c = next_code_point(text, next);
    if (utf8proc_grapheme_break_stateful(int32_t(before), int32_t(c), &state)) break;
    before = c;
    at = next;
  }
  return at;
}

}  // namespace

CharsMap::CharsMap(std::string_view bytes, std::string_view origin) {
  const auto refuse = [&](std::string_view why) {
    fail(ErrorKind::format, "{}: the precompiled character map is damaged: {}", origin, why);
  };
  uint32_t size = 0;
  if (bytes.size() < sizeof size) refuse("it has no size");
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size > bytes.size() || size % 1024 != 0 || size == 0) refuse("the trie's size does not fit");
  units_.resize(size / sizeof(uint32_t));
  std::memcpy(units_.data(), bytes.data(), size);
  replacements_ = bytes.substr(size);
  if (!replacements_.ends_with('\0')) refuse("the replacements do not end");
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i] & kLeaf) continue;
    const size_t children = i ^ distance(units_[i]);
    // The array consists of whole blocks of 256 units, so if one child is inside, all are.
    if (children >= units_.size()) refuse("a node's children are outside the trie");
    if (!has_leaf(units_[i])) continue;
    const size_t value = units_[children] & ~kLeaf;
    if (value >= replacements_.size()) refuse("a replacement is outside the text");
    if (strnlen(&replacements_[value], kLongestReplacement + 1) > kLongestReplacement)
      refuse("a replacement is too long");
  }
}

std::optional<std::string_view> CharsMap::replacement(std::string_view piece) const {
  size_t at = distance(units_[0]);
  for (const char c : piece) {
    at ^= uint8_t(c);
    const uint32_t unit = units_[at];
    if (label(unit) != uint8_t(c)) return std::nullopt;
    at ^= distance(unit);
    if (has_leaf(unit)) return replacements_.data() + (units_[at] & ~kLeaf);
  }
  return std::nullopt;
}

std::optional<std::pair<std::string_view, size_t>> CharsMap::longest_prefix(
    std::string_view text) const {
  std::optional<std::pair<std::string_view, size_t>> longest;
  size_t at = distance(units_[0]);
  for (size_t read = 0; read < text.size();) {
    const auto byte = uint8_t(text[read++]);
    at ^= byte;
    const uint32_t unit = units_[at];
    if (label(unit) != byte) break;
    at ^= distance(unit);
    if (has_leaf(unit)) longest.emplace(replacements_.data() + (units_[at] & ~kLeaf), read);
  }
  return longest;
}

std::string CharsMap::normalized(std::string_view text) const {
  constexpr size_t kLongestGrapheme = 5;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = grapheme_end(text, at);
    const std::string_view grapheme = text.substr(at, end - at);
    const auto whole = grapheme.size() <= kLongestGrapheme ? replacement(grapheme) : std::nullopt;
    if (whole) {
      out += *whole;
      at = end;
    }
    while (at < end) {
      const size_t from = at;
      next_code_point(text, at);
      const std::string_view one = text.substr(from, at - from);
      out += replacement(one).value_or(one);
    }
  }
  return out;
}

}  // namespace patina
