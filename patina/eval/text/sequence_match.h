// Longest common subsequences and edit distances of sequences of symbols, 64 cells of the dynamic
// program a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace patina {

/// Where each symbol of a text stands, as bits: bit i % 64 of word i / 64 for position i.
class SymbolPositions {
 public:
  explicit SymbolPositions(std::u32string_view text);

  /// Words of the bits of one symbol.
  size_t words() const { return scratch_.size(); }
  /// `words()` words, valid until the next call; all 0 for a symbol that does not occur.
  const uint64_t* bits(char32_t symbol);

 private:
  struct Places {
    std::vector<size_t> positions;
    std::vector<uint64_t> bits;  // filled for the few frequent symbols only: see bits()
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

  /// The ascending positions in the text of one longest common subsequence. Of several, the one
  /// found from the ends: equal symbols are taken; else the last symbol of the text is dropped
  /// unless only dropping the other's keeps the length. Memory sqrt(|other|) |text| / 4 bytes.
  std::vector<size_t> positions(std::u32string_view other);

 private:
  using Column = std::vector<uint64_t>;  // bit i is 0 where the length grows at text[i]

  void advance(Column& column, char32_t symbol);

  std::u32string text_;
  SymbolPositions where_;
};

/// Insertions, deletions and substitutions of one symbol that turn `a` into `b` (Levenshtein 1966),
/// by Myers' bit vectors ("A fast bit-vector algorithm for approximate string matching", JACM 1999)
/// with Hyyrö's blocks. Time |a| |b| / 64, but for what they begin and end with in common.
size_t edit_distance(std::u32string_view a, std::u32string_view b);

}  // namespace patina
