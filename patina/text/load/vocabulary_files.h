// Vocabularies in the files of their families: lists of tokens, JSON maps, lists of merges.
#pragma once

#include <string_view>
#include <vector>

#include "patina/text/load/json_node.h"
#include "patina/text/model/bpe.h"
#include "patina/text/model/vocabulary.h"

namespace patina {

// Each function throws Error(format), which names `origin` and, if there is one, the line.

/// BERT's vocab.txt: one token per line, numbered from 0.
std::vector<NumberedToken> parse_token_lines(std::string_view text, std::string_view origin);

/// {"token": id, ...}
std::vector<NumberedToken> read_token_ids(const JsonNode& node);
std::vector<NumberedToken> parse_token_ids(std::string_view text, std::string_view origin);

/// One merge per line: two parts with one space between. At most `most` lines are read. A first
/// line with the version is skipped.
std::vector<Bpe::Merge> parse_merges(std::string_view text, std::string_view origin,
                                     size_t most = size_t(kMostTokens));

/// The vocabulary that belongs to OpenAI's list of CLIP's merges: all letters, the same letters at
/// the end of a word, the results of the merges, and the two markers.
std::vector<NumberedToken> openai_clip_tokens(const std::vector<Bpe::Merge>& merges);
constexpr size_t kClipMerges = 49152 - 256 - 2;

}  // namespace patina
