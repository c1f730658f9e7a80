// GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written:
// a space is "Ġ", a line's end "Ċ" (Radford et al., "Language Models are Unsupervised Multitask
// Learners", 2019).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace patina {

/// The character of a byte: itself where it is printable Latin-1, else U+0100 and on, in order.
char32_t letter_of(uint8_t byte);
std::optional<uint8_t> byte_of(char32_t letter);

/// Bytes as a vocabulary spells them.
std::string spelled(std::string_view bytes);
/// Appends the bytes that `token` spells, or `token` itself when it has a foreign character.
void append_spelled_bytes(std::string_view token, std::string& out);

}  // namespace patina
