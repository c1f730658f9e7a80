#include "patina/learn/network/expanding_learner.h"

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void ExpandingOptions::bind(Fields& f) {
  HerdedMemoryOptions::bind(f);
  f("auxiliary", auxiliary,
    "Weight of a second head that asks what is the newest task's own for the fresh classes, and "
    "all earlier ones as one.",
    at_least(0));
}

ExpandingLearner::ExpandingLearner(Setup setup, const ExpandingOptions& options)
    : newest_(setup.backbone),
      seeds_(setup.seeds),
      options_(options),
      memory_(options, *setup.samples) {
  nn::freeze(newest_, false);
}

// A head's earlier rows keep what they know of earlier features, and know nothing of the new ones.
void ExpandingLearner::begin_task(const Task& task, Trainer&) {
  known_ = task.known();
  if (task.index > 0) {
    earlier_.push_back(kept());
    unfreeze(newest_);
  }
  Random random = seeds_("head", uint64_t(task.index));
  head_.widen(width());
  head_.grow(int64_t(task.seen.size()), width(), random);
  auxiliary_ = {};
  if (task.index > 0) auxiliary_.grow(int64_t(task.fresh.size()) + 1, newest_.width(), random);
}

void ExpandingLearner::fit(const Task& task, Trainer& trainer) {
  memory_.train_beside(*this, task, trainer);
}

std::vector<Tensor> ExpandingLearner::features(const Input& input) const {
  std::vector<Tensor> parts;
  for (const auto* network : networks()) parts.push_back(network->features(input));
  return parts;
}

// CE(h(all features), y) + CE(h_aux(newest), max(y - known + 1, 0)).
Tensor ExpandingLearner::loss(const Batch& batch) {
  const auto parts = features(batch.input);
  const Tensor loss = nn::cross_entropy(head_(at::cat(parts, 1)), batch.target);
  if (auxiliary_.classes() == 0) return loss;
  const Tensor fresh = at::clamp(batch.target - known_ + 1, 0);
  return loss + nn::cross_entropy(auxiliary_(parts.back()), fresh) * options_.auxiliary;
}

// Until the next task the newest network is frozen too, so that its features can be kept.
void ExpandingLearner::end_task(const Task& task, Trainer& trainer) {
  nn::freeze(newest_);
  FeatureSet set;
  std::vector<Tensor> parts;
  for (const auto* network : networks()) {
    set = trainer.features(*network, *task.train);
    parts.push_back(set.features);
  }
  set.features = at::cat(parts, 1);
  memory_.update(task, set);
}

Tensor ExpandingLearner::scores(const Batch& batch) {
  NoGrad no_grad;
  return head_(at::cat(ExpandingLearner::features(batch.input), 1));  // each network as a whole
}

std::vector<ParamGroup> ExpandingLearner::trainable() {
  if (auxiliary_.classes() == 0) return {trainable_group(newest_, head_)};
  return {trainable_group(newest_, head_, auxiliary_)};
}

void ExpandingLearner::state(Archive& a) {
  a("newest", newest_);
  int64_t earlier = int64_t(earlier_.size());
  a("earlier", earlier);
  if (a.loading()) earlier_.clear();
  while (int64_t(earlier_.size()) < earlier) earlier_.push_back(kept());
  for (size_t i = 0; i < earlier_.size(); ++i)
    state_of(a, fmt::format("network_{}", i), *earlier_[i]);
  a("head", head_);
  a("auxiliary", auxiliary_);
  a("memory", memory_);
  a("known", known_);
}

std::vector<const Backbone*> ExpandingLearner::networks() const {
  std::vector<const Backbone*> all;
  for (const auto& network : earlier_) all.push_back(network.get());
  all.push_back(&newest_);
  return all;
}

}  // namespace patina
