// Builds tokenizers from SentencePiece models, and the last steps that all vocabularies share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/text/load/special_roles.h"
#include "patina/text/model/piece_model.h"
#include "patina/text/pipeline.h"

namespace patina {

/// Sets the vocabulary, and the added and special tokens of the settings and their family.
void set_vocabulary(TokenizerParts& parts, std::vector<NumberedToken> tokens,
                    const TokenizerSettings& settings, std::string_view origin);
/// Adds the roles of special tokens and the frame of a text, and assembles the tokenizer.
std::unique_ptr<Tokenizer> finished(TokenizerParts parts, const TokenizerSettings& settings,
                                    std::string_view origin);

/// The model must have passed check_piece_model. `plain`: special tokens in the text are treated as
/// ordinary text.
std::unique_ptr<Tokenizer> piece_tokenizer(PieceModel model, TokenizerSettings settings,
                                           const std::string& origin, bool plain);

}  // namespace patina
