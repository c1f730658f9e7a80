// What a SentencePiece model holds, read from its file (a protocol buffer), from llama2.c's binary
// vocabulary, or put together from a tokenizer.json; and written again.
// The fields: https://github.com/google/sentencepiece, src/sentencepiece_model.proto.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// Numbered as in the file.
enum class PieceType {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

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
  bool whitespace_suffix = false;  // a word's mark stands behind it
  std::string charsmap;            // see charsmap.h; "": none
  bool dummy_prefix = true;        // a space before the text
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;  // spaces are "▁"
};

/// Reads a `tokenizer.model` or `spiece.model`. Throws Error(format) naming `origin`; what it
/// returns has passed check_piece_model.
PieceModel parse_piece_model(std::span<const uint8_t> bytes, std::string_view origin);

/// Reads llama2.c's `tokenizer.bin`: an int32 of the longest token's bytes, then for each token a
/// float32 score, an int32 length and its bytes; ids 0, 1, 2 are unknown, begin and end, then come
/// the 256 bytes. Throws Error(format) naming `origin`.
PieceModel parse_llama2c_vocabulary(std::span<const uint8_t> bytes, std::string_view origin);

/// Refuses with Error(format) what no model may have: empty or doubled pieces, scores
/// that are no numbers, a damaged character map, more or less than one unknown piece.
void check_piece_model(const PieceModel& model, std::string_view origin);

/// The file of a model, as the authors' library reads it.
std::string serialized(const PieceModel& model);

}  // namespace patina
