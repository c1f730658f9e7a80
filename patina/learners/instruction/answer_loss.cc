#include "patina/learners/instruction/answer_loss.h"

#include <algorithm>

#include "patina/ops.h"

namespace patina {

namespace {

// EAFT's: the entropy is that of these scores, and at most about kMostEntropy.
constexpr int64_t kScores = 20;
constexpr double kMostEntropy = 3;

}  // namespace

void AnswerLossOptions::bind(Fields& f) {
  f("loss", loss,
    "Weights of an answer's tokens: \"mean\": all alike; \"dft\": the token's probability; "
    "\"asft\": dft, held near the base model; \"eaft\": the model's entropy, so that what it is "
    "sure of changes little. All but mean keep general skills and are the wrong choice where tasks "
    "replace facts that the model knows.",
    {"mean", "dft", "asft", "eaft"});
  f("asft_weight", asft_weight, "Of asft: weight of KL(base ‖ model) for every token.",
    at_least(0));
  f("eaft_power", eaft_power, "Of eaft: the power of the entropy.", at_least(0));
}

Tensor token_weights(const AnswerLossOptions& options, const AnswerScores& answers) {
  if (options.loss == "mean") return {};
  NoGrad no_grad;
  if (options.loss != "eaft") return at::exp(-answer_losses(answers));
  const int64_t count = std::min(kScores, answers.scores.size(-1));
  const Tensor top = std::get<0>(answers.scores.to(at::kFloat).topk(count, -1));
  const Tensor log_p = at::log_softmax(top, -1);
  const Tensor entropy = -(at::exp(log_p) * log_p).sum(-1);
  return (entropy / kMostEntropy).pow(options.eaft_power);
}

}  // namespace patina
