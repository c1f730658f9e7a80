// Longest common subsequences and edit distances of sequences of symbols. Each operation computes
// 64 cells of the dynamic program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace patina {

/// The positions of each symbol in a text as bits: position i is bit i % 64 of word i / 64.
class SymbolPositions {
 public:
  explicit SymbolPositions(std::u32string_view text);

  /// The number of words for the bits of one symbol.
  size_t words() const { return scratch_.size(); }
  /// `words()` words, valid until the next call; all 0 if the symbol does not occur.
  const uint64_t* bits(char32_t symbol);

 private:
  struct Places {
    std::vector<size_t> positions;
    std::vector<uint64_t> bits;  // empty except for the few frequent symbols: see bits()
  };

  std::unordered_map<char32_t, Places> places_;
  std::vector<uint64_t> scratch_;
  const Places* in_scratch_ = nullptr;
};

/// Longest common subsequences of one text with others, by Hyyrö's bit-parallel recurrence
/// ("Bit-parallel LCS-length computation revisited", AWOCA 2004). Time |text| |other| / 64.
class CommonSubsequence {
 public:
  explicit CommonSubsequence(std::u32string_view text) : text_(text), where_(text) {}

  size_t length(std::u32string_view other);

  /// The positions in the text, ascending, of one longest common subsequence. It is found from the
  /// ends of both: equal symbols are taken; otherwise the text's last symbol is dropped if that
  /// keeps the length, and the other's last symbol if not. Memory sqrt(|other|) |text| / 4 bytes.
  std::vector<size_t> positions(std::u32string_view other);

 private:
  using Column = std::vector<uint64_t>;  // bit i is 0 where the length grows at text[i]

  void advance(Column& column, char32_t symbol);

  std::u32string text_;
  SymbolPositions where_;
};

/// The least number of insertions, deletions and substitutions of single symbols that change `a`
/// into `b` (Levenshtein 1966), by Myers' bit vectors ("A fast bit-vector algorithm for approximate
/// string matching", JACM 1999) with Hyyrö's blocks. Time |a| |b| / 64 without common beginning and
/// end.
size_t edit_distance(std::u32string_view a, std::u32string_view b);

}  // namespace patina
