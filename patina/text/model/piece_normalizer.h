// How a SentencePiece model changes a text before it is cut into pieces.
#pragma once

#include <optional>
#include <string>

#include "patina/text/model/charsmap.h"
#include "patina/text/model/piece_model.h"
#include "patina/text/model/piece_trie.h"

namespace patina {

/// Characters are replaced by the model's map, the longest match first; spaces at the ends go and
/// those in a row become one, a space is put in front, and spaces are written "▁": each as far as
/// the model says so. What the user defined stays as it is.
class PieceNormalizer {
 public:
  /// `kept`: the pieces that the user defined.
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
