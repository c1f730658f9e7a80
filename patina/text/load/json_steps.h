// The steps of a tokenizer.json around its model: normalizer, pre-tokenizer and decoder. A step
// that is not known here is refused by name.
#pragma once

#include "patina/text/decoder.h"
#include "patina/text/load/json_node.h"
#include "patina/text/normalizer.h"
#include "patina/text/pre_tokenizer.h"

namespace patina {

Normalizer read_normalizer(const JsonNode& node);

struct SplitSteps {
  std::vector<PreTokenizer> steps;
  bool byte_level = false;  // the vocabulary is in GPT-2's spelling
};
SplitSteps read_pre_tokenizer(const JsonNode& node);

/// `suffix`: what ends a word's last token in the model, if anything.
Decoder read_decoder(const JsonNode& node, const std::string& suffix);

}  // namespace patina
