// WordPiece: a word is the longest token that begins it, then the longest that continues it
// (Wu et al., "Google's Neural Machine Translation System", 2016; BERT's vocabularies).
#pragma once

#include <memory>
#include <string>

#include "patina/text/model/text_model.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/model/word_cache.h"

namespace patina {

struct WordPieceOptions {
  int64_t unknown = 0;            // the id of a word that cannot be spelled, or is too long
  std::string continuing = "##";  // begins tokens that continue a word
  size_t longest_word = 100;      // characters
};

class WordPiece final : public TextModel {
 public:
  WordPiece(std::shared_ptr<const Vocabulary> vocabulary, WordPieceOptions options);
  void encode(std::string_view word, std::vector<int64_t>& ids) const override;

 private:
  bool spell(std::string_view word, std::vector<int64_t>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  WordPieceOptions options_;
  size_t longest_token_ = 0;  // bytes
  mutable WordCache cache_;
};

}  // namespace patina
