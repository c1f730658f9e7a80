// SentencePiece's precompiled map of characters: a trie of what is replaced and the text in its
// place. Format: a uint32 of the trie's bytes; the trie, units of a double array
// (https://github.com/s-yata/darts-clone); the replacements, each ended by a zero byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace patina {

class CharsMap {
 public:
  /// Checks everything that looking up relies on. Throws Error(format) naming `origin`.
  CharsMap(std::string_view bytes, std::string_view origin);

  /// `text` normalized as Hugging Face's tokenizers do: by grapheme where the map has a beginning
  /// of one (of at most five bytes), else by character.
  std::string normalized(std::string_view text) const;
  /// The replacement of the longest beginning of `text` that the map has, and that beginning's
  /// bytes: SentencePiece's own way.
  std::optional<std::pair<std::string_view, size_t>> longest_prefix(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view piece) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace patina
