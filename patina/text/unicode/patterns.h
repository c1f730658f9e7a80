// The published splitting patterns of byte-level tokenizers, each as a scanner over code points
// instead of a regular expression. Text is valid UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace patina {

/// One piece of a text, in bytes. What lies between pieces is dropped.
struct Span {
  size_t begin = 0, end = 0;
};

/// The next piece at or after `at` < text.size(); begin == end == text.size() when none is left.
using Pattern = Span (*)(std::string_view text, size_t at);

/// GPT-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
Span gpt2_pattern(std::string_view text, size_t at);
/// Qwen2: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+
Span qwen2_pattern(std::string_view text, size_t at);
/// LLaMA 3 and GPT-4: as Qwen2 with \p{N}{1,3}
Span llama3_pattern(std::string_view text, size_t at);
/// CLIP: 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ in either case
Span clip_pattern(std::string_view text, size_t at);
/// OpenAI's own CLIP: before those, <\|startoftext\|>|<\|endoftext\|>
Span openai_clip_pattern(std::string_view text, size_t at);
/// \w+|[^\w\s]+
Span word_pattern(std::string_view text, size_t at);
/// \S+
Span nonspace_pattern(std::string_view text, size_t at);
/// BERT: whitespace dropped, each punctuation character a piece.
Span bert_pattern(std::string_view text, size_t at);
/// Digits in a row, and what is between them.
Span digits_pattern(std::string_view text, size_t at);
/// As digits_pattern, each digit a piece.
Span digit_pattern(std::string_view text, size_t at);

/// The pattern that a tokenizer.json spells as `regex`; null when it is none of these.
Pattern published_pattern(std::string_view regex);

/// ASCII symbols and all Unicode punctuation.
bool is_bert_punctuation(char32_t c);

}  // namespace patina
