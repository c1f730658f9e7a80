// Byte-pair encoding: merges a word's letters pair by pair, in the order learned in training
// (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "patina/text/model/text_model.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/model/word_cache.h"

namespace patina {

struct BpeOptions {
  bool byte_level = false;         // letters are bytes in GPT-2's spelling; otherwise code points
  std::string suffix;              // appended to the last letter of a word: CLIP's "</w>"
  std::optional<int64_t> unknown;  // id of letters not in the vocabulary; if unset, they are
                                   // omitted
  bool fuse_unknown = false;       // consecutive unknown letters become one token
  bool byte_fallback = false;      // unknown letters are encoded as bytes, "<0xE2>"
  bool ignore_merges = false;      // a word that is in the vocabulary is one token
  std::vector<std::string> whole;  // words that are always one token
};

/// The time is O(n log n) in the length of a piece.
class Bpe final : public TextModel {
 public:
  using Merge = std::pair<std::string, std::string>;

  /// `merges` are in order of priority. Throws Error(format), which names `origin` and the merge,
  /// if a merge's parts or its result are not in the vocabulary.
  Bpe(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<Merge>& merges,
      BpeOptions options, std::string_view origin);
  void encode(std::string_view piece, std::vector<int64_t>& ids) const override;

 private:
  struct Joined {
    int32_t rank, id;
  };
  struct Symbol;

  void add_letters(std::string_view piece, std::vector<Symbol>& symbols) const;
  void add_unknown(std::string_view letter, std::vector<Symbol>& symbols) const;
  const Joined* joined(int32_t left, int32_t right) const;
  void join(std::vector<Symbol>& symbols) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  BpeOptions options_;
  std::unordered_map<uint64_t, Joined> merges_;
  std::array<int32_t, 256> letters_, last_letters_;  // byte-level; -1: not in the vocabulary
  std::optional<std::array<int32_t, 256>> fallback_;
  mutable WordCache cache_;
};

}  // namespace patina
