// SentencePiece models, run by the library of that name (Kudo and Richardson, "SentencePiece: A
// simple and language independent subword tokenizer", 2018).
#pragma once

#include <memory>

#include "patina/text/piece_model.h"
#include "patina/text/text_model.h"

namespace patina {

/// Throws Error(format) naming `origin` when the library refuses the model. The model must have
/// passed check_piece_model.
std::unique_ptr<TextModel> sentence_piece(const PieceModel& model, std::string_view origin);

}  // namespace patina
