#include "patina/learners/instruction/answer_learner.h"

#include "patina/learn/adapted.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void TuneOptions::bind(Fields& f) {
  f("tune", tune,
    "\"lora\": low-rank changes of the frozen network, by the options below; \"full\": all "
    "weights, "
    "for which training.lr is usually ten times smaller.",
    {"lora", "full"});
  lora.bind(f);
}

void AnswerLearnerOptions::bind(Fields& f) {
  TuneOptions::bind(f);
  loss.bind(f);
}

AnswerLearner::AnswerLearner(Setup setup, const TuneOptions& options, const AnswerLossOptions& loss)
    : backbone_(setup.backbone), seeds_(setup.seeds), loss_(loss) {
  if (options.tune == "full") {
    // Before a state is loaded, the backbone has its initial weights.
    if (loss_.anchored()) {
      base_ = backbone_.clone();
      nn::freeze(*base_);
    }
    nn::freeze(backbone_, false);
    return;
  }
  Random random = seeds_("lora");
  lora_ = make_lora(options.lora, backbone_.tower(), random);
}

AnswerScores AnswerLearner::answers(const Input& input) const {
  return answer_scores(backbone_, input, while_learning(input));
}

std::vector<nn::NamedTensor> AnswerLearner::learned() const {
  return lora_ ? nn::trainable(*lora_) : nn::trainable(backbone_);
}

Tensor AnswerLearner::loss(const Batch& batch, const Step& step) {
  if (loss_.loss == "mean")  // with few scores in memory at a time
    return answer_losses(backbone_, batch.input, while_learning(batch.input)).sum() /
           double(step.tokens);
  return sum_of_losses(batch.input, answers(batch.input)) / double(step.tokens);
}

Tensor AnswerLearner::sum_of_losses(const Input& input, const AnswerScores& answers) const {
  const Tensor losses = answer_losses(answers);
  const Tensor weights = token_weights(loss_, answers);
  Tensor sum = weights.defined() ? (weights * losses).sum() : losses.sum();
  if (!loss_.anchored() || loss_.asft_weight == 0) return sum;
  const Tensor base = [&] {
    NoGrad no_grad;
    return answer_scores(base_ ? *base_ : backbone_, input, {}).scores.to(at::kFloat);
  }();
  // The divergence is a mean over tokens.
  const Tensor mean = nn::distillation(answers.scores.to(at::kFloat), base, 1);
  return sum + mean * (loss_.asft_weight * double(losses.size(0)));
}

nn::Adaptations AnswerLearner::adaptations(const Input&) const {
  return lora_ ? nn::Adaptations{lora_.get()} : nn::Adaptations{};
}

std::vector<ParamGroup> AnswerLearner::trainable() {
  return {lora_ ? trainable_group(*lora_) : trainable_group(backbone_)};
}

std::optional<AsNetwork> AnswerLearner::as_network() const {
  return AsNetwork{.lora = lora(), .trains_weights = !lora()};
}

void AnswerLearner::state(Archive& a) {
  if (lora_)
    a("lora", *lora_);
  else
    a("backbone", backbone_);
}

}  // namespace patina
