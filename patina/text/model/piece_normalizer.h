// How a SentencePiece model normalizes a text before it is split into pieces.
#pragma once

#include <optional>
#include <string>

#include "patina/text/model/charsmap.h"
#include "patina/text/model/piece_model.h"
#include "patina/text/model/piece_trie.h"

namespace patina {

/// Replaces characters by the model's map, the longest match first. Depending on the model's
/// settings it also strips and merges spaces, puts a space in front of the text, and writes spaces
/// as "▁". User-defined pieces stay unchanged.
class PieceNormalizer {
 public:
  /// `kept`: the user-defined pieces.
  PieceNormalizer(const PieceModel& model, PieceTrie kept);
  std::string operator()(std::string_view text) const;

 private:
  struct Step {
    std::string_view out;
    size_t read;  // bytes
  };
  Step step(std::string_view text) const;
  std::string_view space() const { return escape_ ? "\u2581" : " "; }

  bool dummy_prefix_, strip_, escape_, suffix_;
  std::optional<CharsMap> map_;
  PieceTrie kept_;
};

}  // namespace patina
