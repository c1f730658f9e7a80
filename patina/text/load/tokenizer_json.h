// Hugging Face's tokenizer.json: a whole tokenizer in one file.
#pragma once

#include <memory>
#include <string_view>

#include "patina/text/load/json_node.h"
#include "patina/text/load/special_roles.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// Models WordPiece, BPE and Unigram, with the steps around them that the published tokenizers of
/// BERT, RoBERTa, GPT-2, CLIP, LLaMA, Qwen2 and T5 have. What else a file asks for is refused by
/// name; its "truncation" and "padding" are the caller's business and not used. Throws
/// Error(format) naming `origin`.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, std::string_view origin,
                                                const TokenizerSettings& settings);
/// The same for a document that is parsed already.
std::unique_ptr<Tokenizer> read_tokenizer_json(const JsonNode& root,
                                               const TokenizerSettings& settings);

}  // namespace patina
