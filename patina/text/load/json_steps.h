// The steps of a tokenizer.json around its model: normalizer, pre-tokenizer and decoder. An unknown
// step is refused with a message that names it.
#pragma once

#include "patina/text/decoder.h"
#include "patina/text/load/json_node.h"
#include "patina/text/normalizer.h"
#include "patina/text/pre_tokenizer.h"

namespace patina {

Normalizer read_normalizer(const JsonNode& node);

struct SplitSteps {
  std::vector<PreTokenizer> steps;
  bool byte_level = false;  // the vocabulary uses GPT-2's spelling of bytes
};
SplitSteps read_pre_tokenizer(const JsonNode& node);

/// `suffix`: what the model appends to the last token of a word; "": nothing.
Decoder read_decoder(const JsonNode& node, const std::string& suffix);

}  // namespace patina
