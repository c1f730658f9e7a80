// The published splitting patterns of byte-level tokenizers. Each is a scanner over code points
// instead of a regular expression. The text must be valid UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace patina {

/// One piece of a text: positions in bytes. Text between pieces is dropped.
struct Span {
  size_t begin = 0, end = 0;
};

/// The next piece at or after `at` < text.size(). If there is none, begin == end == text.size().
using Pattern = Span (*)(std::string_view text, size_t at);

/// GPT-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
Span gpt2_pattern(std::string_view text, size_t at);
/// Qwen2: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+
Span qwen2_pattern(std::string_view text, size_t at);
/// LLaMA 3 and GPT-4: as Qwen2, but with \p{N}{1,3}
Span llama3_pattern(std::string_view text, size_t at);
/// CLIP: 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ ignoring case
Span clip_pattern(std::string_view text, size_t at);
/// OpenAI's own CLIP: <\|startoftext\|>|<\|endoftext\|> first, then as clip_pattern
Span openai_clip_pattern(std::string_view text, size_t at);
/// \w+|[^\w\s]+
Span word_pattern(std::string_view text, size_t at);
/// \S+
Span nonspace_pattern(std::string_view text, size_t at);
/// BERT: drops white space; each punctuation character is a piece.
Span bert_pattern(std::string_view text, size_t at);
/// Runs of digits, and the text between them.
Span digits_pattern(std::string_view text, size_t at);
/// As digits_pattern, but each digit is a piece.
Span digit_pattern(std::string_view text, size_t at);

/// The pattern that a tokenizer.json writes as `regex`; null if it is not one of these.
Pattern published_pattern(std::string_view regex);

/// ASCII symbols and all Unicode punctuation.
bool is_bert_punctuation(char32_t c);

}  // namespace patina
