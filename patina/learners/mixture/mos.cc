// MOS (Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning",
// AAAI 2025): each task's adapter is initialised with the last one and pulled towards the mean of
// the earlier ones during training, so that adapters stay close; all share one linear head. A
// sample's adapter is selected without training: prototypes under the first task's adapter give a
// first guess, and the head refines it until predicted class and adapter belong to the same task.
#include <cmath>

#include "patina/algebra/prototypes.h"
#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learners/representation/alignment.h"
#include "patina/learners/representation/task_adapters.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Mos : public Learner {
 public:
  struct Options : LearnerOptions {
    adapt::AdapterOptions adapter = {.bottleneck = 16};
    AlignmentOptions alignment = {.epochs = 30, .samples = 240, .lr = 0.005};
    double pull = 0.1;
    double head_lr_factor = 0.1;
    double separation = 0.1;
    int64_t rounds = 4;
    bool ensemble = true;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f.section("adapter", adapter, "Each task's adapter.");
      f.section("alignment", alignment, "Of the head, after each task but the first.");
      f("pull", pull, "Part of the way to the earlier adapters' mean that a step ends with.",
        between(0, 1));
      f("head_lr_factor", head_lr_factor, "The head's learning rate, as part of the adapter's.",
        above(0));
      f("separation", separation,
        "Weight of the loss that keeps samples apart from each other and from class means.",
        at_least(0));
      f("rounds", rounds, "Most adapters that a sample is tried under.", at_least(1));
      f("ensemble", ensemble, "Add the first guess's scores to the refined ones.");
      f("compat", compat,
        "\"authors\" or \"pilot\": a step pulls once for every block and once more, as the "
        "authors' "
        "release and LAMDA-PILOT do.",
        {"paper", "authors", "pilot"});
    }
  };

  Mos(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        adapters_(setup.backbone, options.adapter) {}

  void begin_task(const Task& task, Trainer&) override {
    tasks_.add(task);
    adapters_.add(seeds_("adapter", uint64_t(task.index)), /*like_last=*/true);
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone_.width(), random, backbone_.place());
  }

  // Cross-entropy among the task's own classes, plus the separation S(F) of the batch's features.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor features = adapters_.features(batch.input, adapters_.size() - 1);
    const Tensor own =
        nn::cross_entropy(head_(features).slice(1, tasks_.known()), batch.target - tasks_.known());
    return options_.separation > 0 ? own + options_.separation * separation(features) : own;
  }

  // A <- (1 - m) A + m mean of the earlier adapters, in every step. n consecutive pulls equal one
  // with 1 - (1 - m)^n.
  void after_step(const Batch&, const Step&) override {
    if (mean_.empty()) return;
    const double pulls = options_.compat == "paper" ? 1 : double(backbone_.layers() + 1);
    follow(nn::tensors(adapters_.last()), mean_, std::pow(1 - options_.pull, pulls));
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup head = trainable_group(head_);
    head.lr_factor = options_.head_lr_factor;
    return {trainable_group(adapters_.last()), head};
  }

  void fit(const Task& task, Trainer& trainer) override {
    const size_t now = size_t(task.index);
    mean_ = now > 0 ? soup(adapters_.weights(now)) : Weights();
    trainer.epochs(*this, task);
    adapters_.freeze();
    add_gaussians(gaussians_, adapters_.features(*task.train, now, trainer), task.fresh,
                  options_.alignment.shrinkage);
    const FeatureSet first = adapters_.features(*task.train, 0, trainer);
    prototypes_ = with_rows(prototypes_, class_means(first, task.fresh));
    if (now > 0)
      align(options_.alignment, gaussians_, {}, {trainable_group(head_)},
            seeds_("alignment", uint64_t(task.index)),
            [&](const Tensor& features, const Tensor& targets) {
              return nn::cross_entropy(head_(features), targets);
            });
  }

  // softmax(z) + softmax(T cos), where z are the head's scores under the sample's final adapter,
  // cos its cosines to the prototypes, and T the number of tasks.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor guess = cosine_scores(adapters_.features(asked.input, 0), prototypes_);
    const Tensor task_of = on(guess.device(), tasks_.task_of());
    Tensor scores = refined(task_of.index_select(0, guess.argmax(1)), task_of, options_.rounds,
                            [&](const Tensor& rows, const Tensor& tasks) {
                              return head_(adapters_.features(asked.input.at(rows), tasks));
                            });
    if (!options_.ensemble) return scores;
    return at::softmax(scores, 1) + at::softmax(guess * double(adapters_.size()), 1);
  }

  void state(Archive& a) override {
    a("adapters", adapters_);
    a("head", head_);
    a("gaussians", gaussians_);
    a("prototypes", prototypes_);
    a("tasks", tasks_);
  }

 private:
  // Cross-entropy between X Xᵀ / 0.8 and the identity; X are the earlier classes' means and the
  // batch's features.
  Tensor separation(const Tensor& features) const {
    std::vector<Tensor> rows;
    for (int64_t c = 0; c < gaussians_.classes(); ++c)
      rows.push_back(gaussians_.mean(c).unsqueeze(0));
    rows.push_back(features);
    const Tensor all = at::cat(rows);
    return nn::cross_entropy(at::matmul(all, all.t()) / 0.8,
                             at::arange(all.size(0), all.options().dtype(at::kLong)));
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  TaskAdapters adapters_;
  nn::LinearHead head_;
  Gaussians gaussians_;  // of each class's features, under its own task's adapter
  Tensor prototypes_;    // [K,D] under the first task's adapter
  ClassTasks tasks_;
  Weights mean_;  // of the earlier adapters, while a later task is trained
};

LearnerRow mos_learner() {
  return learner_row<Mos>(
      {.paper = "Sun et al., AAAI 2025",
       .about =
           "Trains an adapter a task that stays near the earlier ones, and finds a sample's by "
           "refining.",
       .stores = "An adapter a task, a head, a prototype and a Gaussian a class.",
       .differs =
           "The newest adapter is drawn to the others once a step, as the paper says, and "
           "never while it scores. The authors' own release, with which the published numbers "
           "were made, and LAMDA-PILOT draw it 13 times a step: `compat = \"authors\"` or "
           "`\"pilot\"`, which are the same; and stored adapters at every use, which has no "
           "option.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.03, .weight_decay = 5e-4}}});
}

}  // namespace patina
