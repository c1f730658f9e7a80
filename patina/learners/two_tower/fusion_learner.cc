#include "patina/learners/two_tower/fusion_learner.h"

#include "patina/config/sizes.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

constinit const Network kQuestions{
    "questions", [](const Backbone& backbone) -> std::optional<std::string> {
      if (reads_questions(backbone)) return {};
      return "answers questions about images: it needs a CLIP with model.fused = true, and the "
             "model is " +
             backbone.about();
    }};

void FusionOptions::bind(Fields& f) {
  f("hidden", hidden, "Units of the head's hidden layer.", sized(1));
}

FusionLearner::FusionLearner(Setup setup, const FusionOptions& options, int64_t beside)
    : backbone_(setup.backbone),
      seeds_(setup.seeds),
      hidden_(setup.backbone.width() + beside, options.hidden) {
  Random random = seeds_("hidden");
  nn::init_kaiming(hidden_.weight, random);
  hidden_.bias.zero_();
  nn::bring(hidden_, backbone_.place());
  nn::freeze(hidden_, false);
}

void FusionLearner::begin_classes(int64_t fresh) {
  Random random = seeds_("head", uint64_t(head_.classes()));
  head_.grow(head_.classes() + fresh, hidden_.weight.size(0), random, backbone_.place());
}

Tensor FusionLearner::outputs(const Tensor& features) const {
  return head_(at::relu(hidden_(read(features))));
}

Tensor FusionLearner::loss(const Batch& batch, const Step&) {
  return nn::cross_entropy(outputs(features(batch.input)), batch.target);
}

Tensor FusionLearner::scores(const Question& asked) const {
  NoGrad no_grad;
  return outputs(features(asked.input));
}

std::vector<ParamGroup> FusionLearner::trainable() {
  return {trainable_group(hidden_, head_)};
}

void FusionLearner::state(Archive& a) {
  a("hidden", hidden_);
  a("head", head_);
}

FusionReplayLearner::FusionReplayLearner(Setup setup, const FusionOptions& fusion,
                                         const ReplayOptions& replay, int64_t beside)
    : FusionLearner(setup, fusion, beside),
      options_(replay),
      samples_(setup.loader()),
      memory_(replay.memory, memory_policy(replay.policy), setup.seeds("memory")) {}

Tensor FusionReplayLearner::loss(const Batch& batch, const Step& step) {
  Tensor all = features(batch.input), targets = batch.target;
  std::vector<size_t> slots;
  if (memory_.size() > 0) {
    const auto number = step.number();
    slots =
        memory_.draw(options_.replay_batch > 0 ? step.share(options_.replay_batch) : batch.size(),
                     seeds()("replay", number));
    const Batch past = samples_(memory_.samples().at(slots), seeds()("replay augment", number));
    all = at::cat({all, features(past.input)});
    targets = at::cat({targets, past.target});
  }
  about_to_learn(all, targets, slots);
  return nn::cross_entropy(outputs(all), targets);
}

void FusionReplayLearner::remember(const Batch& batch) {
  memory_.offer(batch, [&](size_t slot, int64_t) { stored(slot); });
}

void FusionReplayLearner::state(Archive& a) {
  FusionLearner::state(a);
  a("memory", memory_);
}

}  // namespace patina
