#include "patina/learners/instruction/answer_learner.h"

#include "patina/learn/adapted.h"
#include "patina/models/answer_scores.h"
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

AnswerLearner::AnswerLearner(Setup setup, const TuneOptions& options)
    : backbone_(setup.backbone), seeds_(setup.seeds) {
  if (options.tune == "full") {
    nn::freeze(backbone_, false);
    return;
  }
  Random random = seeds_("lora");
  lora_ = make_lora(options.lora, backbone_.tower(), random);
}

Tensor AnswerLearner::loss(const Batch& batch, const Step& step) {
  const auto answers = answer_scores(backbone_, batch.input, adaptations(batch.input));
  return answer_losses(answers).sum() / double(step.tokens);
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
