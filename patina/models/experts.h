// Experts that answer together: several adaptations of one decoder, whose probabilities of the next
// word are mixed by how likely each of them found the words before (Gururangan et al., NAACL 2022).
#pragma once

#include <optional>
#include <vector>

#include "patina/models/answer_scores.h"
#include "patina/models/continuation.h"

namespace patina {

/// P(x_t | x_<t) = Σ_j P(D = j | x_<t) P(x_t | x_<t, D = j) for experts j, with the posterior
/// P(D = j | x_<t) ∝ P(D = j) Π_{s<t} P(x_s | x_<s, D = j). A row's first word is given.
struct Experts {
  std::vector<nn::Adaptations> each;
  std::vector<double> prior;  // P(D = j)

  /// One, which answers alone.
  Experts(nn::Adaptations one = {})  // NOLINT: adaptations convert on purpose
      : each{std::move(one)}, prior{1} {}
  /// Several, as likely as each other.
  explicit Experts(std::vector<nn::Adaptations> several);
  bool alone() const { return each.size() == 1; }
};

/// log P(x_t | x_<t, D = j) in double, 0 where a row has padding and for its first word: [J,B,T].
/// Rows hold one text each.
Tensor log_likelihoods(const Backbone& backbone, const Input& input, const Experts& experts);
/// log P(D = j | x) after the whole of each row: [J,B].
Tensor log_posterior(const Backbone& backbone, const Input& input, const Experts& experts);

/// As answer_scores; of several experts, the logarithms of the mixed probabilities. Without
/// gradients.
AnswerScores mixed_scores(const Backbone& backbone, const Input& input, const Experts& experts);
/// As answer_losses: -log of the mixed probability of each token that carries loss: [N].
Tensor mixed_losses(const Backbone& backbone, const Input& input, const Experts& experts);

/// A batch of texts that experts continue together. Each reads every token.
class MixedText {
 public:
  /// Nothing if the network does not generate text.
  static std::optional<MixedText> begin(const Backbone& backbone, const Input& prompts,
                                        const Experts& experts, bool cached);

  /// Scores of each row's next word, [B,V]: one expert's own, or of several the logarithms of the
  /// mixed probabilities.
  Tensor scores() const;
  /// As those of Continuation.
  std::vector<std::vector<int64_t>> ids() const { return texts_.front().ids(); }
  int64_t longest() const { return texts_.front().longest(); }
  void append(const Tensor& ids);

 private:
  std::vector<Continuation> texts_;  // one an expert
  Tensor posterior_;                 // [J,B] log P(D = j | x_<t) up to a constant; one: undefined
};

}  // namespace patina
