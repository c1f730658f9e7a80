// What a piece of a vocabulary is for, in SentencePiece models and GGUF files.
#pragma once

namespace patina {

/// The numbers are those of the file.
enum class PieceType {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

}  // namespace patina
