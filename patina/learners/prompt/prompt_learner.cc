#include "patina/learners/prompt/prompt_learner.h"

#include "patina/base/json.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void draw_prompts(Tensor& prompts, Random& random, bool wide) {
  nn::init_uniform(prompts, random, wide ? -1 : 0, wide ? 1 : 0.01);
}

PromptLearner::PromptLearner(Setup setup, int64_t width, Heads begin)
    : backbone_(setup.backbone), seeds_(setup.seeds), width_(width), begin_(begin) {}

void PromptLearner::begin_task(const Task& task, Trainer&) {
  usage_.reset();
  Random random = seeds_("head", uint64_t(task.index));
  heads_.freeze();
  heads_.add(int64_t(task.fresh.size()), width_, random, backbone_.place());
  if (begin_ == Heads::zero) heads_.newest().weight.detach().zero_();
  add_prompts(task);
}

Json PromptLearner::diagnostics() const {
  return usage_.json();
}

Tensor PromptLearner::loss(const Batch& batch, const Step&) {
  const auto [features, penalty] = prompted(batch.input, /*training=*/true);
  const Tensor error = nn::cross_entropy(heads_.newest()(features), batch.target - heads_.known());
  return penalty.defined() ? error + penalty : error;
}

Tensor PromptLearner::scores(const Question& asked) const {
  NoGrad no_grad;
  return heads_(prompted(asked.input, /*training=*/false).features);
}

std::vector<ParamGroup> PromptLearner::trainable() {
  ParamGroup group;
  for (const auto& list : {prompts(), heads_.tensors()})
    for (const auto& tensor : list)
      if (tensor.requires_grad()) group.tensors.push_back(tensor);
  return {group};
}

void PromptLearner::state(Archive& a) {
  a("heads", heads_);
}

}  // namespace patina
