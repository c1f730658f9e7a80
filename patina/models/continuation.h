// Token-by-token continuation of a batch of texts: the loop of all text generation.
#pragma once

#include <functional>

#include "patina/models/text/text_tower.h"

namespace patina {

/// The state of a decoder. Prompts may differ in length: they are padded on the right, and every
/// row continues after its own last token.
class Continuation {
 public:
  using Words = std::function<Tensor(const Tensor&)>;  // tokens [B,1,D] -> scores [B,1,V]

  /// Reads `begun`. `cached` stores keys and values, so that each token is read once; otherwise
  /// everything is read again for every token, which is slower and gives the same ids. Where rotary
  /// positions depend on a text's length, a token that changes them makes all be read again, too.
  /// The tower is lent. `known` has the keys and values of first tokens that need not be read.
  Continuation(const TextTower& tower, Words words, const Input& begun,
               const nn::Adaptations& adaptations, const TextContext& context, bool cached,
               nn::KeyValues known = {});

  /// Scores of each row's next token: [B,V].
  const Tensor& scores() const { return scores_; }
  /// The ids of each row so far, without padding; for an encoder-decoder, of the answer.
  std::vector<std::vector<int64_t>> ids() const;
  /// Number of tokens in the longest row.
  int64_t longest() const { return mask_.sum(1).max().item<int64_t>(); }
  /// Appends one token per row: ids [B].
  void append(const Tensor& ids);

 private:
  void read(const Input& input, const Tensor& positions, const TextContext& context);
  void read_all();  // but for the tokens in the cache
  bool changes_at(const Tensor& lengths) const;

  const TextTower* tower_;
  Words words_;
  nn::Adaptations adaptations_;
  TextContext context_;
  bool cached_;
  nn::KeyValues cache_;
  Tensor ids_, mask_;  // [B,T]: all tokens so far
  Tensor scores_;
};

}  // namespace patina
