// Bit-parallel dynamic programs. A column of the table is stored as one-bit differences.
#include "patina/eval/text/sequence_match.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace patina {
namespace {

constexpr size_t kWordBits = 64;

size_t words_for(size_t bits) {
  return (bits + kWordBits - 1) / kWordBits;
}

void set_bit(std::vector<uint64_t>& bits, size_t at) {
  bits[at / kWordBits] |= uint64_t{1} << at % kWordBits;
}

bool has_bit(const std::vector<uint64_t>& bits, size_t at) {
  return bits[at / kWordBits] >> at % kWordBits & 1;
}

/// The number of set bits among the first `size`.
size_t ones(const std::vector<uint64_t>& bits, size_t size) {
  size_t sum = 0;
  for (size_t word = 0; word < size / kWordBits; ++word) sum += std::popcount(bits[word]);
  if (size % kWordBits != 0)
    sum += std::popcount(bits[size / kWordBits] << (kWordBits - size % kWordBits));
  return sum;
}

void trim_common_ends(std::u32string_view& a, std::u32string_view& b) {
  const auto begin = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  a.remove_prefix(begin);
  b.remove_prefix(begin);
  const auto end = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin();
  a.remove_suffix(end);
  b.remove_suffix(end);
}

}  // namespace

SymbolPositions::SymbolPositions(std::u32string_view text) : scratch_(words_for(text.size())) {
  for (size_t i = 0; i < text.size(); ++i) places_[text[i]].positions.push_back(i);
  // Symbols with more positions than there are words store their own bits; at most 64 symbols have
  // that many. The bits of other symbols are written into the scratch words on request, which costs
  // no more than reading them.
  for (auto& [symbol, places] : places_) {
    if (places.positions.size() <= words()) continue;
    places.bits.resize(words());
    for (const size_t at : places.positions) set_bit(places.bits, at);
  }
}

const uint64_t* SymbolPositions::bits(char32_t symbol) {
  const auto found = places_.find(symbol);
  if (found != places_.end() && !found->second.bits.empty()) return found->second.bits.data();
  if (in_scratch_)
    for (const size_t at : in_scratch_->positions) scratch_[at / kWordBits] = 0;
  in_scratch_ = found == places_.end() ? nullptr : &found->second;
  if (in_scratch_)
    for (const size_t at : in_scratch_->positions) set_bit(scratch_, at);
  return scratch_.data();
}

void CommonSubsequence::advance(Column& column, char32_t symbol) {
  const uint64_t* matches = where_.bits(symbol);
  uint64_t carry = 0;
  for (size_t word = 0; word < column.size(); ++word) {
    const uint64_t old = column[word], hits = old & matches[word];
    uint64_t sum = old + carry;
    carry = sum < carry;
    sum += hits;
    carry |= sum < hits;
    column[word] = sum | (old & ~hits);
  }
}

size_t CommonSubsequence::length(std::u32string_view other) {
  Column column(where_.words(), ~uint64_t{0});
  for (const char32_t symbol : other) advance(column, symbol);
  return text_.size() - ones(column, text_.size());
}

std::vector<size_t> CommonSubsequence::positions(std::u32string_view other) {
  // Only every stride-th column is stored. The columns between them are recomputed on the way back.
  const auto stride = static_cast<size_t>(std::sqrt(static_cast<double>(other.size()))) + 1;
  std::vector<Column> kept;
  Column column(where_.words(), ~uint64_t{0});
  for (size_t j = 0; j < other.size(); ++j) {
    if (j % stride == 0) kept.push_back(column);
    advance(column, other[j]);
  }

  std::vector<size_t> found;
  std::vector<Column> block;  // block[k]: the column after other[first..first+k]
  size_t first = other.size(), i = text_.size(), j = other.size();
  while (i > 0 && j > 0) {
    if (j <= first) {
      first = (j - 1) / stride * stride;
      block.clear();
      column = kept[first / stride];
      for (size_t next = first; next < j; ++next) {
        advance(column, other[next]);
        block.push_back(column);
      }
    }
    if (text_[i - 1] == other[j - 1]) {
      found.push_back(--i);
      --j;
    } else if (has_bit(block[j - 1 - first], i - 1)) {
      --i;
    } else {
      --j;
    }
  }
  std::reverse(found.begin(), found.end());
  return found;
}

size_t edit_distance(std::u32string_view a, std::u32string_view b) {
  trim_common_ends(a, b);
  if (a.empty() || b.empty()) return std::max(a.size(), b.size());
  SymbolPositions where(a);
  // Bits of one column: whether the distance grows, or falls, from row i-1 to row i.
  std::vector<uint64_t> grows(where.words(), ~uint64_t{0}), falls(where.words());
  for (const char32_t symbol : b) {
    const uint64_t* matches = where.bits(symbol);
    uint64_t carry_grows = 1, carry_falls = 0;  // row 0 grows by one per symbol
    for (size_t word = 0; word < where.words(); ++word) {
      const uint64_t up = grows[word], down = falls[word];
      const uint64_t equal = matches[word] | carry_falls;
      const uint64_t diagonal = (((equal & up) + up) ^ up) | equal | down;
      uint64_t right_grows = down | ~(diagonal | up);
      uint64_t right_falls = up & diagonal;
      const uint64_t out_grows = right_grows >> (kWordBits - 1);
      const uint64_t out_falls = right_falls >> (kWordBits - 1);
      right_grows = right_grows << 1 | carry_grows;
      right_falls = right_falls << 1 | carry_falls;
      grows[word] = right_falls | ~(diagonal | right_grows);
      falls[word] = right_grows & diagonal;
      carry_grows = out_grows;
      carry_falls = out_falls;
    }
  }
  return b.size() + ones(grows, a.size()) - ones(falls, a.size());
}

}  // namespace patina
