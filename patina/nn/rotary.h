// Rotary positions (Su et al., 2021): queries and keys turn by angles proportional to their
// position.
#pragma once

#include <cstdint>
#include <vector>

namespace patina::nn {

/// Which channels of a head turn, and how fast. Channel i turns with channel i + c/2 of the c that
/// turn, or 2i with 2i + 1, at `frequency i` a position. A network stretched to longer texts than
/// it was trained on turns slower: at other frequencies, or at those that belong to a text's
/// length.
struct Rotary {
  double theta = 0;                 // base of the frequencies theta^(-2i/c); 0: nothing turns
  int64_t channels = 0;             // c, the first of each head; 0: all
  std::vector<double> frequencies;  // [c/2], in place of the base's; empty: those
  bool interleaved = false;         // channels turn with their neighbours (EVA-02)
  double magnitude = 1;             // factor of sine and cosine (YaRN's attention factor)

  // Of texts with n > `trained` tokens; 0: no text differs.
  int64_t trained = 0;
  double growth = 1;           // their base: theta (growth n/trained - growth + 1)^(c/(c-2))
  std::vector<double> beyond;  // or their frequencies; empty: those of that base

  bool turns() const { return theta > 0; }
  bool by_length() const { return trained > 0; }
  /// Whether all tokens of a text turn otherwise once it has `n` tokens than with one fewer.
  bool changes_at(int64_t n) const {
    return by_length() && (beyond.empty() ? n > trained : n == trained + 1);
  }
  bool operator==(const Rotary&) const = default;
};

}  // namespace patina::nn
