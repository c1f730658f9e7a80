// A tokenizer as lists of its tokens and merges, as GGUF files have it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/text/piece_type.h"
#include "patina/text/tokenizer.h"

namespace patina {

struct TokenList {
  std::string model;                // "gpt2": byte-level BPE; "llama": SentencePiece's BPE
  std::string split;                // of texts before BPE: "gpt-2", "smollm", "llama-bpe", "qwen2"
  std::vector<std::string> tokens;  // by id
  std::vector<PieceType> types;     // one a token
  std::vector<float> scores;        // one a token, of SentencePiece
  std::vector<std::string> merges;  // "a b", of BPE, the most important first
  int64_t unknown = -1, begin = -1, end = -1, pad = -1;
  std::optional<bool> adds_begin, adds_end;  // absent: as the model's kind does
  bool space_before = true;                  // SentencePiece: a space before the text
};

/// Throws Error(format) naming `origin` for another model or split, and for lists that do not fit.
std::unique_ptr<Tokenizer> tokenizer_of(const TokenList& list, const std::string& origin);

}  // namespace patina
