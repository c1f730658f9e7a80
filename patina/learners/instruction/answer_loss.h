// How the losses of an answer's tokens are weighted.
#pragma once

#include <string>

#include "patina/config/fields.h"
#include "patina/models/answer_scores.h"

namespace patina {

/// The loss of an answer's tokens is Σ w_t l_t / tokens, with l_t = -log p(y_t) and weights without
/// a gradient. Weights are those of single tokens, so that neither padding nor packing nor the rest
/// of a batch changes them.
/// | mean: w = 1.
/// | dft: w = p(y_t) (Wu et al., "On the Generalization of SFT", 2025), so that the step is large
/// where the model already expects the token.
/// | asft: dft, and asft_weight KL(p_base ‖ p) for every token (Zhu et al., "Anchored Supervised
/// Fine-Tuning", 2025).
/// | eaft: w = (H / 3)^eaft_power, with the entropy H in nats of the softmax over the 20 largest
/// scores, of which the largest is ln 20 ≈ 3 (Diao et al., "Entropy-Adaptive Fine-Tuning", 2026):
/// tokens of which the model is sure, and wrong, count little.
struct AnswerLossOptions {
  std::string loss = "mean";
  double asft_weight = 0.1;
  double eaft_power = 1;

  void bind(Fields& f);
  bool anchored() const { return loss == "asft"; }
};

/// The weights w [N] of the answers' tokens; undefined: all are 1.
Tensor token_weights(const AnswerLossOptions& options, const AnswerScores& answers);

}  // namespace patina
