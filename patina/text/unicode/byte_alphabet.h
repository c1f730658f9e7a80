// GPT-2's spelling of bytes as printable characters, used by byte-level vocabularies: a space is
// "Ġ", a line feed is "Ċ" (Radford et al., "Language Models are Unsupervised Multitask Learners",
// 2019).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace patina {

/// The character of a byte. Printable Latin-1 bytes spell themselves; the others, in order, are the
/// characters from U+0100 on.
char32_t letter_of(uint8_t byte);
std::optional<uint8_t> byte_of(char32_t letter);

/// The bytes in the vocabulary's spelling.
std::string spelled(std::string_view bytes);
/// Appends the bytes that `token` spells; appends `token` itself if it has a character that spells
/// no byte.
void append_spelled_bytes(std::string_view token, std::string& out);

}  // namespace patina
