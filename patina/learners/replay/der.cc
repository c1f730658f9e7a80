// DER: every task adds a network, initialised with the previous one; earlier networks are frozen,
// and one head reads the concatenated features of all. Yan, Xie and He, "DER: Dynamically
// Expandable Representation for Class Incremental Learning", CVPR 2021.
#include "patina/learners/replay/der.h"

#include <fmt/format.h>

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void DerOptions::bind(Fields& f) {
  HerdedMemoryOptions::bind(f);
  f("auxiliary", auxiliary,
    "Weight of a second head that asks what is the newest task's own for the fresh classes, and "
    "all earlier ones as one.",
    at_least(0));
}

Der::Der(Setup setup, const DerOptions& options)
    : newest_(setup.backbone),
      seeds_(setup.seeds),
      options_(options),
      memory_(options, setup.loader()) {
  nn::freeze(newest_, false);
}

std::unique_ptr<Backbone> Der::kept() const {
  auto network = newest_.clone();
  nn::freeze(*network);
  return network;
}

void Der::state_of(Archive& a, const std::string& key, Backbone& network) {
  a(key, network);
}

void Der::unfreeze(Backbone& newest) {
  nn::freeze(newest, false);
}

// Old rows of the head keep their weights for old features and get zeros for the new ones.
void Der::begin_task(const Task& task, Trainer&) {
  tasks_.add(task);
  if (task.index > 0) {
    earlier_.push_back(kept());
    unfreeze(newest_);
  }
  Random random = seeds_("head", uint64_t(task.index));
  head_.widen(width());
  head_.grow(int64_t(task.seen.size()), width(), random, newest_.place());
  auxiliary_ = {};
  if (task.index > 0)
    auxiliary_.grow(int64_t(task.fresh.size()) + 1, newest_.width(), random, newest_.place());
}

void Der::fit(const Task& task, Trainer& trainer) {
  memory_.train_beside(*this, task, trainer);
}

std::vector<Tensor> Der::features(const Input& input) const {
  std::vector<Tensor> parts;
  for (const auto* network : networks()) parts.push_back(network->features(input));
  return parts;
}

// CE(h(all features), y) + CE(h_aux(newest), max(y - known + 1, 0)).
Tensor Der::loss(const Batch& batch, const Step&) {
  const auto parts = features(batch.input);
  Tensor loss = nn::cross_entropy(head_(at::cat(parts, 1)), batch.target);
  if (auxiliary_.classes() == 0) return loss;
  const Tensor fresh = at::clamp(batch.target - tasks_.known() + 1, 0);
  return loss + nn::cross_entropy(auxiliary_(parts.back()), fresh) * options_.auxiliary;
}

// Until the next task the newest network is frozen too, so that its features can be cached.
void Der::end_task(const Task& task, Trainer& trainer) {
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

Tensor Der::scores(const Question& asked) const {
  NoGrad no_grad;
  return head_(at::cat(Der::features(asked.input), 1));  // not virtual: each network as a whole
}

std::vector<ParamGroup> Der::trainable() {
  if (auxiliary_.classes() == 0) return {trainable_group(newest_, head_)};
  return {trainable_group(newest_, head_, auxiliary_)};
}

void Der::state(Archive& a) {
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
  a("tasks", tasks_);
}

std::vector<const Backbone*> Der::networks() const {
  std::vector<const Backbone*> all;
  for (const auto& network : earlier_) all.push_back(network.get());
  all.push_back(&newest_);
  return all;
}

LearnerRow der_learner() {
  return learner_row<Der>(
      {.paper = "Yan et al., CVPR 2021",
       .about = "Adds a network for every task, and a head over the features of all.",
       .stores = "A network for every task, a head, the memory's samples.",
       .differs = "Nothing is pruned, as in LAMDA-PILOT, whose rate and epochs for pre-trained "
                  "networks are the defaults. Old classes begin without weights for the new "
                  "features; LAMDA-PILOT draws them.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 32,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
