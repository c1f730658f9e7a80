#include "patina/text/model/word_piece.h"

#include <algorithm>

#include "patina/text/unicode/unicode.h"

namespace patina {

WordPiece::WordPiece(std::shared_ptr<const Vocabulary> vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  for (int64_t id = 0; id < vocabulary_->size(); ++id)
    longest_token_ = std::max(longest_token_, vocabulary_->token(id).size());
}

void WordPiece::encode(std::string_view word, std::vector<int64_t>& ids) const {
  if (cache_.find(word, ids)) return;
  const size_t before = ids.size();
  if (count_code_points(word) > options_.longest_word || !spell(word, ids)) {
    ids.resize(before);
    ids.push_back(options_.unknown);
  }
  cache_.keep(word, ids, before);
}

bool WordPiece::spell(std::string_view word, std::vector<int64_t>& ids) const {
  std::string key;
  while (!word.empty()) {
    const size_t prefix = key.size();
    key += word.substr(0, longest_token_);
    std::optional<int64_t> id;
    while (key.size() > prefix && !(id = vocabulary_->id(key))) key.pop_back();
    if (!id) return false;
    ids.push_back(*id);
    word.remove_prefix(key.size() - prefix);
    key = options_.continuing;
  }
  return true;
}

}  // namespace patina
