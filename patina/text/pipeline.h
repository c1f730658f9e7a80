// The only implementation of Tokenizer: finds added tokens, normalizes and splits the rest, and
// encodes it by a model. The families differ only in these parts, which are the same as in Hugging
// Face's tokenizers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/text/added_tokens.h"
#include "patina/text/decoder.h"
#include "patina/text/model/text_model.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/normalizer.h"
#include "patina/text/pre_tokenizer.h"
#include "patina/text/tokenizer.h"

namespace patina {

struct TokenizerParts {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::vector<AddedToken> added;
  Normalizer normalizer;       // null: none
  PreTokenizer pre_tokenizer;  // null: the text is one piece
  std::unique_ptr<TextModel> model;
  Decoder decoder;
  std::vector<int64_t> control;  // ids that are special but not added tokens
  SpecialTokens special;
  Frame frame;
  std::string about;
};

/// Throws Error(format), which names `origin`, if an added token is not in the vocabulary.
std::unique_ptr<Tokenizer> assemble(TokenizerParts parts, std::string_view origin);

}  // namespace patina
