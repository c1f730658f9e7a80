// DER: every task adds a network of its own, which begins as the one before; earlier ones stay as
// they are, and one head reads the features of all.
// Yan, Xie and He, "DER: Dynamically Expandable Representation for Class Incremental Learning",
// CVPR 2021.
#include "patina/learn/learner.h"
#include "patina/learn/network/herded_memory.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Der : public Learner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    double auxiliary = 1;
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("auxiliary", auxiliary,
        "Weight of a second head that asks the newest network alone for the fresh classes, and "
        "all earlier ones as one.",
        at_least(0));
    }
  };

  Der(Setup setup, const Options& options)
      : newest_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        memory_(options, *setup.samples) {
    nn::freeze(newest_, false);
  }

  void begin_task(const Task& task, Trainer&) override {
    known_ = task.known();
    if (task.index > 0) keep_network();
    // Earlier rows keep what they know of earlier features, and know nothing of the new ones.
    nn::LinearHead grown;
    Random random = seeds_("head", uint64_t(task.index));
    grown.grow(int64_t(task.seen.size()), width(), random);
    if (head_.weight.defined()) {
      NoGrad no_grad;
      grown.weight.slice(0, 0, known_).zero_();
      grown.weight.slice(0, 0, known_).slice(1, 0, head_.weight.size(1)).copy_(head_.weight);
      grown.bias.slice(0, 0, known_).copy_(head_.bias);
    }
    head_ = grown;
    auxiliary_ = {};
    if (task.index > 0) auxiliary_.grow(int64_t(task.fresh.size()) + 1, newest_.width(), random);
  }

  void fit(const Task& task, Trainer& trainer) override {
    memory_.train_beside(*this, task, trainer);
  }

  // CE(h(all features), y) + CE(h_aux(newest), max(y - known + 1, 0)).
  Tensor loss(const Batch& batch) override {
    const Tensor own = newest_.features(batch.input);
    std::vector<Tensor> parts = frozen_features(batch.input);
    parts.push_back(own);
    const Tensor loss = nn::cross_entropy(head_(at::cat(parts, 1)), batch.target);
    if (auxiliary_.classes() == 0) return loss;
    const Tensor fresh = at::clamp(batch.target - known_ + 1, 0);
    return loss + nn::cross_entropy(auxiliary_(own), fresh) * options_.auxiliary;
  }

  void end_task(const Task& task, Trainer& trainer) override {
    std::vector<Tensor> parts;
    FeatureSet set;
    for (const auto& network : earlier_)
      parts.push_back(trainer.features(*network, *task.train).features);
    set = trainer.features(newest_, *task.train);
    parts.push_back(set.features);
    set.features = at::cat(parts, 1);
    memory_.update(task, set);
  }

  Tensor scores(const Batch& batch) override {
    NoGrad no_grad;
    std::vector<Tensor> parts = frozen_features(batch.input);
    parts.push_back(newest_.features(batch.input));
    return head_(at::cat(parts, 1));
  }

  std::vector<ParamGroup> trainable() override {
    if (auxiliary_.classes() == 0) return {trainable_group(newest_, head_)};
    return {trainable_group(newest_, head_, auxiliary_)};
  }

  void state(Archive& a) override {
    a("newest", newest_);
    int64_t earlier = int64_t(earlier_.size());
    a("earlier", earlier);
    while (int64_t(earlier_.size()) < earlier) keep_network();
    for (size_t i = 0; i < earlier_.size(); ++i) a(fmt::format("network_{}", i), *earlier_[i]);
    a("head.weight", head_.weight);
    a("head.bias", head_.bias);
    a("auxiliary.weight", auxiliary_.weight);
    a("auxiliary.bias", auxiliary_.bias);
    a("memory", memory_);
    a("known", known_);
  }

 private:
  int64_t width() const { return newest_.width() * int64_t(earlier_.size() + 1); }

  void keep_network() {
    earlier_.push_back(newest_.clone());
    nn::freeze(*earlier_.back());
  }

  // Of all but the newest.
  std::vector<Tensor> frozen_features(const Input& input) {
    NoGrad no_grad;
    std::vector<Tensor> parts;
    for (const auto& network : earlier_) parts.push_back(network->features(input));
    return parts;
  }

  Backbone& newest_;  // trained in place
  Seeds seeds_;
  Options options_;
  std::vector<std::unique_ptr<Backbone>> earlier_;
  nn::LinearHead head_, auxiliary_;
  HerdedMemory memory_;
  int64_t known_ = 0;  // classes of earlier tasks
};

LearnerRow der_learner() {
  return learner_row<Der>(
      {.paper = "Yan et al., CVPR 2021",
       .about = "Adds a network for every task, and a head over the features of all.",
       .stores = "A network for every task, a head, the memory's samples.",
       .differs = "Nothing is pruned, as in LAMDA-PILOT.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 32,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
