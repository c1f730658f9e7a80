#include "patina/learners/representation/first_session.h"

#include "patina/base/error.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void FirstSessionOptions::bind(Fields& f) {
  f("adaptation", adaptation,
    "What the first task trains: nothing, the whole network, prompts, scales and shifts, or "
    "adapters.",
    {"none", "finetune", "vpt_deep", "vpt_shallow", "ssf", "adapter"});
  f.section("adapter", adapter, "Of adaptation = \"adapter\".");
  f("prompt_tokens", prompt.tokens, "Prompt tokens a block, of vpt_deep and vpt_shallow.",
    at_least(1));
  f.section("ssf", ssf, "Of adaptation = \"ssf\".");
}

FirstSessionLearner::FirstSessionLearner(Setup setup, const FirstSessionOptions& options)
    : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {
  Random random = seeds_("adaptation");
  const std::string& kind = options_.adaptation;
  if (kind == "adapter") adaptation_ = make_adapter(options_.adapter, backbone_.tower(), random);
  if (kind == "ssf") adaptation_ = make_scale_shift(options_.ssf, backbone_.tower(), random);
  if (kind == "vpt_deep" || kind == "vpt_shallow") {
    options_.prompt.deep = kind == "vpt_deep";
    options_.prompt.zero = true;  // as in APER's code, from which RanPAC takes it
    adaptation_ = make_prompt(options_.prompt, backbone_.tower(), random);
  }
  if (kind == "finetune") tuned_ = backbone_.clone();
}

void FirstSessionLearner::begin_task(const Task& task, Trainer&) {
  training_ = adapts() && task.index == 0;
  if (!training_) return;
  if (adaptation_) nn::freeze(*adaptation_, false);
  if (tuned_) nn::freeze(*tuned_, false);
  Random random = seeds_("head");
  head_.grow(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place());
}

Tensor FirstSessionLearner::loss(const Batch& batch, const Step&) {
  return nn::cross_entropy(head_(adapted(batch.input)), batch.target);
}

std::vector<ParamGroup> FirstSessionLearner::trainable() {
  if (!training_) return {};
  return {tuned_ ? trainable_group(*tuned_, head_) : trainable_group(*adaptation_, head_)};
}

void FirstSessionLearner::fit(const Task& task, Trainer& trainer) {
  if (training_) {
    trainer.epochs(*this, task);
    training_ = false;
    head_ = {};
    if (adaptation_) nn::freeze(*adaptation_);
    if (tuned_) nn::freeze(*tuned_);
  }
  learn(task, trainer);
}

void FirstSessionLearner::check_unadapted() const {
  if (adapts())
    fail(ErrorKind::usage,
         "its network is adapted to the first task, and features of two adapted networks cannot be "
         "added: learn with learner.adaptation = \"none\"");
}

nn::Adaptations FirstSessionLearner::adaptations() const {
  return adaptation_ ? nn::Adaptations{adaptation_.get()} : nn::Adaptations{};
}

Tensor FirstSessionLearner::adapted(const Input& input) const {
  return network().features(input, adaptations());
}

FeatureSet FirstSessionLearner::pretrained(const Dataset& data, Trainer& trainer) const {
  return trainer.features(backbone_, data);
}

FeatureSet FirstSessionLearner::adapted(const Dataset& data, Trainer& trainer) const {
  return trainer.features(network(), data, adaptations());
}

void FirstSessionLearner::state(Archive& a) {
  a("training", training_);
  if (adaptation_) a("adaptation", *adaptation_);
  if (tuned_) a("tuned", *tuned_);
  a("head", head_);
}

}  // namespace patina
