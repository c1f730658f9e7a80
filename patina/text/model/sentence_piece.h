// SentencePiece models (Kudo and Richardson, "SentencePiece: A simple and language independent
// subword tokenizer", 2018). A text is normalized as a whole; then it is split into the pieces with
// the largest sum of scores (unigram), or joined pair by pair (BPE). The ids equal those of the
// authors' library.
#pragma once

#include <memory>
#include <string_view>

#include "patina/text/model/piece_model.h"
#include "patina/text/model/text_model.h"

namespace patina {

/// The model must have passed check_piece_model. Throws Error(format), which names `origin`, if its
/// kind is neither unigram nor BPE.
std::unique_ptr<TextModel> sentence_piece(const PieceModel& model, std::string_view origin);

}  // namespace patina
