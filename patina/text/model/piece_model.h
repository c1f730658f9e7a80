// The contents of a SentencePiece model. Read from its file (a protocol buffer) or from llama2.c's
// binary vocabulary, or made from a tokenizer.json; can be written as a file again. Fields:
// https://github.com/google/sentencepiece, src/sentencepiece_model.proto.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/text/piece_type.h"

namespace patina {

struct Piece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

struct PieceModel {
  enum class Kind { unigram = 1, bpe = 2, word = 3, character = 4 };

  std::vector<Piece> pieces;  // by id
  Kind kind = Kind::unigram;
  bool byte_fallback = false;
  bool whitespace_suffix = false;  // the mark of a space stands after a word, not before it
  std::string charsmap;            // see charsmap.h; "": none
  bool dummy_prefix = true;        // puts a space before the text
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;  // writes spaces as "▁"
};

/// Reads a `tokenizer.model` or `spiece.model`. Throws Error(format), which names `origin`. The
/// result has passed check_piece_model.
PieceModel parse_piece_model(std::span<const uint8_t> bytes, std::string_view origin);

/// Reads llama2.c's `tokenizer.bin`: the longest token's bytes as an int32, then for each token a
/// float32 score, an int32 length and the token's bytes. Ids 0, 1 and 2 are unknown, begin and end;
/// the 256 bytes follow. Throws Error(format), which names `origin`.
PieceModel parse_llama2c_vocabulary(std::span<const uint8_t> bytes, std::string_view origin);

/// Throws Error(format) if the model is invalid: empty or duplicate pieces, scores that are not
/// numbers, a damaged character map, or not exactly one unknown piece.
void check_piece_model(const PieceModel& model, std::string_view origin);

/// The model as a file that the authors' library can read.
std::string serialized(const PieceModel& model);

}  // namespace patina
