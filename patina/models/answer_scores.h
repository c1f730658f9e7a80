// Words scored where a text carries loss, and nowhere else.
#pragma once

#include "patina/models/backbone.h"

namespace patina {

/// Scores of every word for each token that carries loss.
struct AnswerScores {
  Tensor scores;  // [N,V]
  Tensor word;    // [N] the tokens' ids
  Tensor row;     // [N] their rows of the input, ascending
};

/// For input.loss [B,T], which has N tokens; each is predicted from the tokens before it in its
/// text. The scores of other tokens are not computed. An encoder-decoder reads the tokens in front
/// of a row's answer with its encoder and writes the answer, the rest of the row, with its decoder.
AnswerScores answer_scores(const Backbone& backbone, const Input& input,
                           const nn::Adaptations& adaptations);

/// The same where a decoder's tokens [B,T,D] of the input are known.
AnswerScores answer_scores_of(const Backbone& backbone, const Input& input, const Tensor& tokens);

/// -log p of each such token in nats: [N].
Tensor answer_losses(const AnswerScores& answers);

/// The same losses with only `at_once` scores in memory at a time. Each token's gradient is
/// computed in the forward pass, while its scores are there. If weights of the word head require
/// gradients, all scores are computed at once.
Tensor answer_losses(const Backbone& backbone, const Input& input,
                     const nn::Adaptations& adaptations, int64_t at_once = 1 << 24);

}  // namespace patina
