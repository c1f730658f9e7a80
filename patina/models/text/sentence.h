// Sentence encoders: how a feature is made of a text's tokens, as sentence-transformers (Reimers
// and Gurevych, EMNLP 2019) stores it beside the weights.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "patina/models/text/text_tower.h"

namespace patina {

struct SentencePooling {
  Pooling pooling = Pooling::mean;
  bool unit_length = false;  // features are divided by their length
  int64_t longest = 0;       // tokens it reads of a text; 0: the network's limit
};

/// Reads modules.json of a model's folder, and the files it names; nothing if there is none. Throws
/// Error(model), which names the file and the key, for a module or a pooling that patina does not
/// have.
std::optional<SentencePooling> read_sentence_pooling(const std::filesystem::path& folder);

/// The same as one line of JSON, for the metadata of a file that is a whole model.
std::string to_json(const SentencePooling& sentence);
/// Reads that line. Throws Error(model); messages start with `origin`.
SentencePooling parse_sentence_pooling(std::string_view json, const std::string& origin);

}  // namespace patina
