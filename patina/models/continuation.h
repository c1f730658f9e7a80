// A batch of texts being continued, token by token: the one loop under all generation.
#pragma once

#include <functional>

#include "patina/models/text/text_tower.h"

namespace patina {

/// Holds what a decoder has read. Prompts may differ in length: they are padded on the right, and
/// every row goes on after its own last token.
class Continuation {
 public:
  using Words = std::function<Tensor(const Tensor&)>;  // tokens [B,1,D] -> scores [B,1,V]

  /// Reads `begun`. `cached` keeps keys and values, so that a token is read once; without it all is
  /// read again for every token, which is slow and gives the same ids. The tower is lent.
  Continuation(const TextTower& tower, Words words, const Input& begun,
               const nn::Adaptations& adaptations, const TextContext& context, bool cached);

  /// Scores of each row's next token: [B,V].
  const Tensor& scores() const { return scores_; }
  /// What each row holds so far, padding left out; of an encoder-decoder, the answer.
  std::vector<std::vector<int64_t>> ids() const;
  /// Tokens in the longest row.
  int64_t longest() const { return mask_.sum(1).max().item<int64_t>(); }
  /// Goes on with one token a row: ids [B].
  void append(const Tensor& ids);

 private:
  void read(const Input& input, const Tensor& positions);
  void read_all();

  const TextTower* tower_;
  Words words_;
  nn::Adaptations adaptations_;
  TextContext context_;
  bool cached_;
  nn::KeyValues cache_;
  Tensor ids_, mask_;  // [B,T]: everything so far
  Tensor scores_;
};

}  // namespace patina
