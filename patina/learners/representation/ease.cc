// EASE (Zhou et al., "Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental
// Learning", CVPR 2024): each task trains an adapter of its own, whose features form a subspace. A
// class has a prototype in every subspace. In its own and earlier subspaces it is the class's mean
// feature; in those of later tasks, for which its samples are no longer available, it is a
// combination of later classes' prototypes, weighted by their similarity to the class in its own
// subspace. A sample belongs to the class with the largest sum of cosines, in which the class's own
// subspace has the largest weight.
#include "patina/algebra/prototypes.h"
#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learners/representation/task_adapters.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Ease : public Learner {
 public:
  struct Options : LearnerOptions {
    adapt::AdapterOptions adapter;
    double alpha = 0.1;
    double beta = 0;
    bool recompute = true;
    void bind(Fields& f) override {
      f.section("adapter", adapter, "Each task's adapter.");
      f("alpha", alpha, "Weight of all subspaces but a class's own together.", at_least(0));
      f("beta", beta, "Weight of the pre-trained network's own features; 0: they are not used.",
        at_least(0));
      f("recompute", recompute,
        "After every task, mix missing prototypes anew from all classes met since; false: once, "
        "from the classes of the subspace's own task.");
    }
  };

  Ease(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        adapters_(setup.backbone, options.adapter) {}

  void begin_task(const Task& task, Trainer&) override {
    tasks_.add(task);
    adapters_.add(seeds_("adapter", uint64_t(task.index)));
    head_ = {};
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place());
  }

  // Cross-entropy of a cosine head among the task's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor features = adapters_.features(batch.input, adapters_.size() - 1);
    return nn::cross_entropy(head_(features), batch.target - tasks_.known());
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(adapters_.last(), head_)};
  }

  void fit(const Task& task, Trainer& trainer) override {
    trainer.epochs(*this, task);
    adapters_.freeze();
    add_prototypes(task, trainer);
  }

  // Σ_j w_ij cos(f_j(x), P_j,c) for class c of task i, with w_ii = 1 and w_ij = α / (T - 1); β for
  // the pre-trained network.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const size_t tasks = prototypes_.size();
    Tensor sum = at::zeros({asked.size(), prototypes_[0].size(0)}, prototypes_[0].options());
    for (size_t j = 0; j < tasks; ++j) {
      Tensor weight = at::full({sum.size(1)}, tasks > 1 ? options_.alpha / double(tasks - 1) : 1,
                               sum.options());
      of_task(weight, j).fill_(1);
      sum += cosine_scores(adapters_.features(asked.input, j), prototypes_[j]) * weight;
    }
    if (options_.beta > 0)
      sum += cosine_scores(backbone_.features(asked.input), pretrained_) * options_.beta;
    return sum;
  }

  void state(Archive& a) override {
    a("adapters", adapters_);
    a("head", head_);
    a("tasks", tasks_);
    a("prototypes", prototypes_);
    a("pretrained", pretrained_);
  }

 private:
  // The rows of a task's classes, from one row per class.
  Tensor of_task(const Tensor& rows, size_t task) const {
    return rows.slice(0, tasks_.first(task), tasks_.first(task + 1));
  }

  void add_prototypes(const Task& task, Trainer& trainer) {
    NoGrad no_grad;
    const size_t now = size_t(task.index);
    prototypes_.push_back(
        at::zeros({tasks_.known(), backbone_.width()}, backbone_.place().options()));
    for (size_t j = 0; j <= now; ++j) {
      const FeatureSet set = adapters_.features(*task.train, j, trainer);
      prototypes_[j] = with_rows(prototypes_[j], class_means(set, task.fresh));
    }
    for (size_t j = options_.recompute ? 0 : now; j <= now; ++j)
      for (size_t i = 0; i < j; ++i) complement(i, j);
    if (options_.beta > 0)
      pretrained_ =
          with_rows(pretrained_, class_means(trainer.features(backbone_, *task.train), task.fresh));
  }

  // Estimates the prototypes of task i's classes in subspace j from the classes from task j on,
  // which have means in both subspaces, by their similarity in subspace i.
  void complement(size_t i, size_t j) {
    const auto later = [&](size_t subspace) {
      return prototypes_[subspace].slice(0, tasks_.first(j));
    };
    of_task(prototypes_[j], i).copy_(complemented(of_task(prototypes_[i], i), later(i), later(j)));
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  TaskAdapters adapters_;
  nn::CosineHead head_;  // while a task is trained
  ClassTasks tasks_;
  std::vector<Tensor> prototypes_;  // [K,D] in each task's subspace
  Tensor pretrained_;               // [K,D] of the pre-trained network, if β is used
};

LearnerRow ease_learner() {
  return learner_row<Ease>(
      {.paper = "Zhou et al., CVPR 2024",
       .about = "Trains an adapter a task and sums the cosines to each class's prototypes under "
                "all of them.",
       .stores = "An adapter a task, and a prototype of every class under every adapter.",
       .differs = "Missing prototypes are mixed anew after every task; `recompute = false` mixes "
                  "them once, in the paper's words.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.025, .weight_decay = 5e-4}}});
}

}  // namespace patina
