#include "patina/text/unicode/patterns.h"

#include <array>
#include <limits>
#include <utility>

#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

bool is_symbol(char32_t c) {
  return !is_space(c) && !is_letter(c) && !is_number(c);
}

bool is_newline(char32_t c) {
  return c == '\r' || c == '\n';
}

// The end of the run at `at` of at most `most` characters for which `is` holds.
template <class Is>
size_t run_end(std::string_view text, size_t at, Is is, size_t most = kUnlimited) {
  for (size_t next = at; at < text.size() && most > 0; at = next, --most)
    if (!is(next_code_point(text, next))) break;
  return at;
}

bool begins_with(std::string_view text, size_t at, std::string_view word, bool any_case) {
  for (const char letter : word) {
    if (at >= text.size()) return false;
    char32_t c = next_code_point(text, at);
    if (any_case && c >= 'A' && c <= 'Z') c |= 0x20;
    if (any_case && c == 0x17f) c = 's';  // the long s (U+017F) is an s if case is ignored
    if (c != char32_t(letter)) return false;
  }
  return true;
}

// The end of the English contraction that begins at `at`; `at` if there is none.
size_t contraction_end(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'') return at;
  for (const std::string_view word : {"s", "t", "re", "ve", "m", "ll", "d"})
    if (begins_with(text, at + 1, word, any_case))
      return run_end(
          text, at + 1, [](char32_t) { return true; }, word.size());
  return at;
}

// \s+(?!\S)|\s+ : the whole run if it ends the text or is one space; otherwise all but its last
// space.
size_t spaces_end(std::string_view text, size_t at) {
  const size_t end = run_end(text, at, is_space);
  if (end == text.size()) return end;
  size_t last = end;
  do {
    --last;
  } while ((static_cast<unsigned char>(text[last]) & 0xc0) == 0x80);
  return last > at ? last : end;
}

// The end of a run for which `is` holds, with an optional space before it; `at` if there is no run.
template <class Is>
size_t spaced_run_end(std::string_view text, size_t at, Is is) {
  const size_t start = text[at] == ' ' ? at + 1 : at;
  const size_t end = run_end(text, start, is);
  return end > start ? end : at;
}

template <size_t most_digits>
size_t modern_end(std::string_view text, size_t at) {
  if (const size_t end = contraction_end(text, at, true); end > at) return end;
  size_t second = at;
  const char32_t first = next_code_point(text, second);
  if (is_letter(first)) return run_end(text, at, is_letter);
  if (is_number(first)) return run_end(text, at, is_number, most_digits);
  if (!is_newline(first))
    if (const size_t end = run_end(text, second, is_letter); end > second) return end;
  if (const size_t end = spaced_run_end(text, at, is_symbol); end > at)
    return run_end(text, end, is_newline);
  const size_t spaces = run_end(text, at, is_space);
  const size_t newline = text.substr(at, spaces - at).find_last_of("\r\n");
  return newline == std::string_view::npos ? spaces_end(text, at) : at + newline + 1;
}

size_t skip_spaces(std::string_view text, size_t at) {
  return run_end(text, at, is_space);
}

}  // namespace

Span gpt2_pattern(std::string_view text, size_t at) {
  if (const size_t end = contraction_end(text, at, false); end > at) return {at, end};
  for (const auto is : {is_letter, is_number, is_symbol})
    if (const size_t end = spaced_run_end(text, at, is); end > at) return {at, end};
  return {at, spaces_end(text, at)};
}

Span qwen2_pattern(std::string_view text, size_t at) {
  return {at, modern_end<1>(text, at)};
}

Span llama3_pattern(std::string_view text, size_t at) {
  return {at, modern_end<3>(text, at)};
}

Span clip_pattern(std::string_view text, size_t at) {
  at = skip_spaces(text, at);
  if (at == text.size()) return {at, at};
  if (const size_t end = contraction_end(text, at, true); end > at) return {at, end};
  if (const size_t end = run_end(text, at, is_letter); end > at) return {at, end};
  if (const size_t end = run_end(text, at, is_number, 1); end > at) return {at, end};
  return {at, run_end(text, at, is_symbol)};
}

Span openai_clip_pattern(std::string_view text, size_t at) {
  at = skip_spaces(text, at);
  for (const std::string_view marker : {"<|startoftext|>", "<|endoftext|>"})
    if (text.substr(at).starts_with(marker)) return {at, at + marker.size()};
  return clip_pattern(text, at);
}

Span word_pattern(std::string_view text, size_t at) {
  at = skip_spaces(text, at);
  if (const size_t end = run_end(text, at, is_word); end > at) return {at, end};
  return {at, run_end(text, at, [](char32_t c) { return !is_word(c) && !is_space(c); })};
}

Span nonspace_pattern(std::string_view text, size_t at) {
  at = skip_spaces(text, at);
  return {at, run_end(text, at, [](char32_t c) { return !is_space(c); })};
}

bool is_bert_punctuation(char32_t c) {
  if (c < 0x80) return c > ' ' && c < 0x7f && !is_letter(c) && !is_number(c);
  return is_unicode_punctuation(c);
}

Span bert_pattern(std::string_view text, size_t at) {
  at = skip_spaces(text, at);
  if (const size_t end = run_end(text, at, is_bert_punctuation, 1); end > at) return {at, end};
  return {at,
          run_end(text, at, [](char32_t c) { return !is_space(c) && !is_bert_punctuation(c); })};
}

Span digits_pattern(std::string_view text, size_t at) {
  if (const size_t end = run_end(text, at, is_number); end > at) return {at, end};
  return {at, run_end(text, at, [](char32_t c) { return !is_number(c); })};
}

Span digit_pattern(std::string_view text, size_t at) {
  if (const size_t end = run_end(text, at, is_number, 1); end > at) return {at, end};
  return digits_pattern(text, at);
}

Pattern published_pattern(std::string_view regex) {
  static constexpr std::array<std::pair<std::string_view, Pattern>, 7> kPublished{{
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
       gpt2_pattern},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       qwen2_pattern},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       llama3_pattern},
      {R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)", clip_pattern},
      {R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)",
       openai_clip_pattern},
      {R"(\w+|[^\w\s]+)", word_pattern},
      {R"(\S+)", nonspace_pattern},
  }};
  for (const auto& [spelling, pattern] : kPublished)
    if (spelling == regex) return pattern;
  return nullptr;
}

}  // namespace patina
