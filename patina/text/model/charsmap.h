// SentencePiece's precompiled character map: a trie of character sequences, and their replacements.
// Format: the trie's size in bytes as a uint32; the trie as the units of a double array
// (https://github.com/s-yata/darts-clone); the replacements, each with a zero byte at its end.
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
  /// Checks everything that the lookup relies on. Throws Error(format), which names `origin`.
  CharsMap(std::string_view bytes, std::string_view origin);

  /// Normalizes as Hugging Face's tokenizers do: replaces a grapheme of at most five bytes as a
  /// whole if the map has a prefix of it; otherwise each character by itself.
  std::string normalized(std::string_view text) const;
  /// Finds the longest prefix of `text` in the map, as SentencePiece does. Returns its replacement
  /// and the prefix's length in bytes.
  std::optional<std::pair<std::string_view, size_t>> longest_prefix(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view piece) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace patina
