// SentencePiece models (Kudo and Richardson, "SentencePiece: A simple and language independent
// subword tokenizer", 2018): texts are normalized as a whole and cut into the pieces of the best
// sum of scores (unigram), or joined pair by pair (BPE). The ids are those of the authors' library.
#pragma once

#include <memory>
#include <string_view>

#include "patina/text/model/piece_model.h"
#include "patina/text/model/text_model.h"

namespace patina {

/// The model must have passed check_piece_model. Throws Error(format) naming `origin` when it is of
/// another kind than unigram and BPE.
std::unique_ptr<TextModel> sentence_piece(const PieceModel& model, std::string_view origin);

}  // namespace patina
