// WordPiece: takes the longest token that a word begins with, then repeatedly the longest token
// that continues it (Wu et al., "Google's Neural Machine Translation System", 2016; BERT's
// vocabularies).
#pragma once

#include <memory>
#include <string>

#include "patina/text/model/text_model.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/model/word_cache.h"

namespace patina {

struct WordPieceOptions {
  int64_t unknown = 0;            // the id of a word that no tokens compose or that is too long
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
