// Heads that score words at tokens, for masked and causal language models.
#pragma once

#include "patina/nn/engine.h"

namespace patina {

struct WordHeadShape {
  bool transform = false;  // a layer, an activation and a norm before the scores (BERT)
  nn::Activation activation = nn::Activation::gelu;
  bool tied = true;  // weights are the token embedding
  bool bias = false;
  double scale = 1;  // factor on the tokens; D^-1/2 for T5's tied head
  double cap = 0;    // scores s become cap tanh(s / cap) (Gemma 2); 0: they stay
  bool transform_bias = true, norm_bias = true;
  double eps = 1e-12;
};

struct WordHead {
  nn::Linear transform;
  nn::Norm norm;
  nn::Linear decoder;  // weight [V,D], undefined when tied; bias [V]
  nn::Activation activation = nn::Activation::gelu;
  double scale = 1, cap = 0;

  WordHead() = default;
  WordHead(const WordHeadShape& shape, int64_t width, int64_t vocabulary);
  /// Tokens [B,T,D] and the token embedding of V words -> [B,T,V].
  Tensor operator()(const Tensor& tokens, const nn::Embedding& words,
                    const nn::Engine& engine) const;
  void walk(nn::Walk& w);
};

}  // namespace patina
