// Vocabularies in the files of their families: lists of tokens, JSON maps, lists of merges.
#pragma once

#include <string_view>
#include <vector>

#include "patina/text/load/json_node.h"
#include "patina/text/model/bpe.h"
#include "patina/text/model/vocabulary.h"

namespace patina {

// Each throws Error(format) naming `origin`, and the line where there is one.

/// BERT's vocab.txt: a token a line, numbered from 0.
std::vector<NumberedToken> parse_token_lines(std::string_view text, std::string_view origin);

/// {"token": id, ...}
std::vector<NumberedToken> read_token_ids(const JsonNode& node);
std::vector<NumberedToken> parse_token_ids(std::string_view text, std::string_view origin);

/// Two parts a line with one space between, at most `most` lines; a first line that tells the
/// version is passed over.
std::vector<Bpe::Merge> parse_merges(std::string_view text, std::string_view origin,
                                     size_t most = size_t(kMostTokens));

/// The vocabulary that goes with OpenAI's list of CLIP's merges: the letters, the letters that end
/// a word, what the merges make, and the two markers.
std::vector<NumberedToken> openai_clip_tokens(const std::vector<Bpe::Merge>& merges);
constexpr size_t kClipMerges = 49152 - 256 - 2;

}  // namespace patina
