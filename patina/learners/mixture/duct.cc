// DUCT (Zhou et al., "Dual Consolidation for Pre-Trained Model-Based Domain-Incremental Learning",
// CVPR 2025): for domains with separate classes, as in the paper, and for tasks of new classes, as
// its authors adapt it. Every task starts from the pre-trained network; the consolidated backbone
// adds the tasks' weight changes, each weighted by the similarity of class means before and after
// its training. The new task's head is initialised with its class means at length one, which makes
// it comparable with those of other tasks, and is trained again on the consolidated backbone.
// Earlier heads move towards the new head, transported by an optimal plan between class means.
#include "patina/algebra/prototypes.h"
#include "patina/algebra/transport.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Duct : public Learner {
 public:
  struct Options : LearnerOptions {
    double backbone_lr_factor = 0.01;
    double merged = 0.25;
    double transported = 0.25;
    double regularization = 0.02;
    int64_t retrain_epochs = 5;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f("backbone_lr_factor", backbone_lr_factor, "Learning rate of the backbone over the head's.",
        above(0));
      f("merged", merged, "Factor of each task's change to the backbone, in their sum.",
        between(0, 1));
      f("transported", transported, "Of the transported new head, in an earlier task's head.",
        between(0, 1));
      f("regularization", regularization, "Entropic regularization of the transport.", above(0));
      f("retrain_epochs", retrain_epochs, "Epochs of the new head on the merged backbone.",
        at_least(1));
      f("compat", compat,
        "\"pilot\": distances between class means are the cost of transport, not their squares, as "
        "in LAMDA-PILOT.",
        {"paper", "pilot"});
    }
  };

  Duct(Setup setup, const Options& options)
      : backbone_(setup.backbone), pretrained_(setup.backbone.clone()), options_(options) {
    nn::freeze(backbone_, false);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    assign(nn::tensors(backbone_), weights_of(*pretrained_));
    const Tensor means = class_means(trainer.features(*pretrained_, *task.train), task.fresh);
    means_ = with_rows(means_, means);
    heads_.freeze();
    // A step turns a row of a cosine head by an angle in proportion to 1/|w|²: rows as long as
    // features would hardly learn.
    heads_.weights.push_back(normalized(means).requires_grad_(true));
    heads_.biases.emplace_back();
    if (!scale_.defined()) scale_ = at::ones({1}, means.options()).requires_grad_(true);
    retraining_ = false;
  }

  // Cross-entropy of σ cos(f, w) among the task's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor cosines = cosine_scores(features(batch.input), heads_.newest().weight);
    return nn::cross_entropy(scale_ * cosines, batch.target - heads_.known());
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return heads_.cosines(backbone_.features(asked.input));
  }

  std::vector<ParamGroup> trainable() override {
    std::vector<ParamGroup> groups{trainable_group(heads_.newest())};
    groups[0].tensors.push_back(scale_);
    if (retraining_) return groups;
    groups.push_back(trainable_group(backbone_));
    groups[1].lr_factor = options_.backbone_lr_factor;
    return groups;
  }

  void fit(const Task& task, Trainer& trainer) override {
    if (!retraining_) {
      trainer.epochs(*this, task);
      merge(task, trainer);
      retraining_ = true;
    }
    trainer.epochs(*this, task, options_.retrain_epochs);
  }

  // W_old = (1-r) W_old + r Γᵀ W_new for each earlier task; Γ [new,old] is the transport plan
  // between class means under the pre-trained network.
  void end_task(const Task&, Trainer&) override {
    NoGrad no_grad;
    const auto sizes = heads_.sizes();
    const auto means = means_.split_with_sizes(sizes);
    const Tensor fresh = heads_.newest().weight.detach();
    for (size_t t = 0; t + 1 < sizes.size(); ++t) {
      const Tensor plan = sinkhorn(cost(means.back(), means[t]), options_.regularization);
      const Tensor moved = at::matmul(plan.to(at::kFloat).t(), fresh);
      heads_.weights[t].detach().lerp_(moved, options_.transported);
    }
  }

  void state(Archive& a) override {
    a("backbone", backbone_);
    a("heads", heads_);
    a("scale", scale_);
    a("means", means_);
    a("changes", changes_);
    a("retraining", retraining_);
  }

 private:
  // While only the head is trained the backbone gets no gradients.
  Tensor features(const Input& input) const {
    if (!retraining_) return backbone_.features(input);
    NoGrad no_grad;
    return backbone_.features(input);
  }

  // changes += s ρ (θ - θ₀), with ρ the mean cosine between the task's class means before and after
  // training; the backbone becomes θ₀ + changes.
  void merge(const Task& task, Trainer& trainer) {
    NoGrad no_grad;
    const Tensor after = class_means(trainer.features(backbone_, *task.train), task.fresh);
    const Tensor before = means_.slice(0, means_.size(0) - after.size(0));
    const double likeness = at::cosine_similarity(before, after, 1).mean().item<double>();
    const Weights start = weights_of(*pretrained_), now = weights_of(backbone_);
    Weights merged = start;
    for (size_t i = 0; i < now.size(); ++i) {
      if (task.index == 0) changes_.push_back(at::zeros_like(now[i]));
      changes_[i].add_(now[i] - start[i], options_.merged * likeness);
      merged[i] = start[i] + changes_[i];
    }
    assign(nn::tensors(backbone_), merged);
  }

  // Transport costs between means [N,D] and [M,D]: [N,M].
  Tensor cost(const Tensor& a, const Tensor& b) const {
    const Tensor distance =
        at::linalg_vector_norm(a.unsqueeze(1) - b.unsqueeze(0), 2, at::IntArrayRef{2});
    return options_.compat == "pilot" ? distance : distance.square();
  }

  Backbone& backbone_;
  std::unique_ptr<Backbone> pretrained_;
  Options options_;
  nn::TaskHeads heads_;
  Tensor scale_;             // [1]
  Tensor means_;             // [K,D] class means under the pre-trained network
  Weights changes_;          // weighted sum over tasks so far; empty before the first is merged
  bool retraining_ = false;  // fit has passed the merge
};

// The learning rate is a third in the first five epochs, also of the second training of the head.
LearnerRow duct_learner() {
  return learner_row<Duct>(
      {.paper = "Zhou et al., CVPR 2025",
       .about = "Sums what each task changes in the pre-trained network, and transports earlier "
                "heads into "
                "the new space.",
       .stores =
           "The network, what all tasks changed in it, a mean a class, and a cosine head a task.",
       .differs = "A new head begins at its class means, at length one; neither the paper nor "
                  "LAMDA-PILOT, whose heads begin at random or at zero, does so. Transport costs "
                  "squared distances, as the paper says; LAMDA-PILOT takes distances: `compat = "
                  "\"pilot\"`.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 10,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.1 / 3,
                                  .weight_decay = 5e-4,
                                  .schedule = "step",
                                  .milestones = {5},
                                  .gamma = 3}}});
}

}  // namespace patina
