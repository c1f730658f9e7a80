// What turns tokens into scores of words: the heads of masked and of causal language models.
#pragma once

#include "patina/nn/layers.h"

namespace patina {

struct WordHeadShape {
  bool transform = false;  // a layer, an activation and a norm first (BERT)
  nn::Activation activation = nn::Activation::gelu;
  bool tied = true;  // scores with the token embedding itself
  bool bias = false;
  double scale = 1;  // on the tokens; T5's tied head: D^-1/2
  double eps = 1e-12;
};

struct WordHead {
  nn::Linear transform;
  nn::Norm norm;
  nn::Linear decoder;  // weight [V,D], undefined when tied; bias [V]
  nn::Activation activation = nn::Activation::gelu;
  double scale = 1;

  WordHead() = default;
  WordHead(const WordHeadShape& shape, int64_t width, int64_t vocabulary);
  /// Tokens [B,T,D] and the token embedding [V,D] -> [B,T,V].
  Tensor operator()(const Tensor& tokens, const Tensor& words) const;
  void walk(nn::Walk& w);
};

}  // namespace patina
