// Tokenizers of every kind, small enough to be written in code: for tests without files.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "patina/base/json.h"
#include "patina/text/load/tokenizer_json.h"
#include "patina/text/unicode/byte_alphabet.h"

namespace patina {

inline std::unique_ptr<Tokenizer> from_json(const Json& json) {
  return parse_tokenizer_json(json.dump(), "tokenizer.json", {});
}

inline Json numbered_vocabulary(const std::vector<std::string>& tokens) {
  Json vocabulary = Json::object();
  for (const auto& token : tokens) vocabulary[token] = vocabulary.size();
  return vocabulary;
}

inline Json special_token(const std::string& text, int id) {
  return {{"id", id}, {"content", text}, {"special", true}, {"normalized", false}};
}

/// Lower case; [UNK] 0, [CLS] 1, [SEP] 2, then words.
inline Json word_piece_json() {
  const std::vector<std::string> tokens{"[UNK]", "[CLS]",  "[SEP]", "un",   "##aff", "##able",
                                        "run",   "##ning", ",",     "cafe", "中",    "##s"};
  return {
      {"added_tokens",
       {special_token("[UNK]", 0), special_token("[CLS]", 1), special_token("[SEP]", 2)}},
      {"normalizer", {{"type", "BertNormalizer"}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "BertProcessing"}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 1}}}},
      {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", numbered_vocabulary(tokens)}}}};
}

/// Ids 0 to 255 are the bytes; then " t", "he", " the", and <|end|> 259.
inline Json byte_level_json(const std::string& regex = "") {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(spelled(std::string(1, char(byte))));
  tokens.insert(tokens.end(), {"Ġt", "he", "Ġthe"});
  Json split = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", regex.empty()}};
  if (!regex.empty())
    split = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}}, split}}};
  return {{"added_tokens", {special_token("<|end|>", 259)}},
          {"pre_tokenizer", split},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", numbered_vocabulary(tokens)},
            {"merges", {"Ġ t", "h e", "Ġt he"}}}}};
}

/// As LLaMA's: <unk> 0, <s> 1, the bytes from 2, then "▁", letters and a merge.
inline Json byte_fallback_json() {
  std::vector<std::string> tokens{"<unk>", "<s>"};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(fmt::format("<0x{:02X}>", byte));
  tokens.insert(tokens.end(), {"▁", "a", "b", "▁a", "▁ab"});
  const Json mark = {{"String", "▁"}}, space = {{"String", " "}};
  return {{"added_tokens", {special_token("<unk>", 0), special_token("<s>", 1)}},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Prepend"}, {"prepend", "▁"}},
              {{"type", "Replace"}, {"pattern", space}, {"content", "▁"}}}}}},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             {{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
              {{"type", "ByteFallback"}},
              {{"type", "Fuse"}},
              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", numbered_vocabulary(tokens)},
            {"merges", {"▁ a", "▁a b"}}}}};
}

/// As T5's: <pad> 0, </s> 1, <unk> 2, pieces with scores.
inline Json unigram_json() {
  const Json space = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}};
  Json vocabulary = Json::array();
  const std::vector<std::pair<std::string, double>> pieces{{"<pad>", 0}, {"</s>", 0}, {"<unk>", 0},
                                                           {"▁", -2},    {"▁ab", -3}, {"a", -4},
                                                           {"b", -4},    {"c", -5}};
  for (const auto& [text, score] : pieces) vocabulary.push_back({text, score});
  return {{"added_tokens", {special_token("<pad>", 0), special_token("</s>", 1)}},
          {"pre_tokenizer", space},
          {"decoder", space},
          {"model", {{"type", "Unigram"}, {"unk_id", 2}, {"vocab", vocabulary}}}};
}

/// One of each kind.
inline std::vector<Json> tiny_tokenizers() {
  return {word_piece_json(), byte_level_json(), byte_fallback_json(), unigram_json()};
}

}  // namespace patina
