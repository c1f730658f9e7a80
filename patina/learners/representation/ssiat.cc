// SSIAT (Tan et al., "Semantically-Shifted Incremental Adapter-Tuning is A Continual
// ViTransformer", CVPR 2024): one adapter is trained on all tasks in turn, without a constraint,
// with a cosine head per task. The shift this causes in the features of earlier classes is
// estimated from the shift of the task's own samples; the Gaussians of earlier classes are moved
// accordingly, and all heads are aligned on features sampled from them.
#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learners/representation/alignment.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Ssiat : public Learner {
 public:
  struct Options : LearnerOptions {
    adapt::AdapterOptions adapter;
    AlignmentOptions alignment = {.shrinkage = 1e-3};
    int64_t later_epochs = 10;
    double scale = 20, margin = 0;
    double shift_width = 4;
    void bind(Fields& f) override {
      f.section("adapter", adapter, "The adapter all tasks share.");
      f.section("alignment", alignment, "Of all heads, after each task but the first.");
      f("later_epochs", later_epochs, "Passes over each task's samples from the second task on.",
        at_least(1));
      f("scale", scale, "Factor on cosines in losses.", above(0));
      f("margin", margin, "CosFace's margin at the target; the paper takes 0.3 on ImageNet-A.",
        at_least(0));
      f("shift_width", shift_width,
        "How near a sample lies to a class whose mean it helps to shift.", above(0));
    }
  };

  Ssiat(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {
    Random random = seeds_("adapter");
    adapter_ = make_adapter(options.adapter, backbone_.tower(), random);
    before_ = make_adapter(options.adapter, backbone_.tower(), random);
    nn::freeze(*before_);
  }

  void begin_task(const Task& task, Trainer&) override {
    assign(nn::tensors(*before_), weights_of(*adapter_));
    nn::freeze(*adapter_, false);
    Random random = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place(), 0,
               /*bias=*/false);
  }

  // CosFace among the task's own classes: only their head is trained.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor cosines = cosine_scores(features(batch.input), heads_.newest().weight);
    return nn::margin_cross_entropy(cosines, batch.target - heads_.known(), options_.scale,
                                    options_.margin);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return heads_.cosines(features(asked.input));
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(*adapter_);
    group.tensors.push_back(heads_.newest().weight);
    return {group};
  }

  void fit(const Task& task, Trainer& trainer) override {
    const bool first = task.index == 0;
    trainer.epochs(*this, task, first ? trainer.options().epochs : options_.later_epochs);
    nn::freeze(*adapter_);
    const FeatureSet now = trainer.features(backbone_, *task.train, {adapter_.get()});
    if (!first) shift(trainer.features(backbone_, *task.train, {before_.get()}).features, now);
    add_gaussians(gaussians_, now, task.fresh, options_.alignment.shrinkage);
    if (!first)
      align(options_.alignment, gaussians_, drift_scales(heads_.sizes()),
            {ParamGroup{heads_.tensors()}}, seeds_("alignment", uint64_t(task.index)),
            [&](const Tensor& features, const Tensor& targets) {
              return nn::cross_entropy(options_.scale * heads_.cosines(features), targets);
            });
  }

  void state(Archive& a) override {
    a("adapter", *adapter_);
    a("before", *before_);
    a("heads", heads_);
    a("gaussians", gaussians_);
  }

 private:
  Tensor features(const Input& input) const { return backbone_.features(input, {adapter_.get()}); }

  // μ_c += Σ_i w_i (f_now,i - f_before,i) / Σ_i w_i for every earlier class.
  void shift(const Tensor& before, const FeatureSet& now) {
    for (int64_t c = 0; c < gaussians_.classes(); ++c)
      gaussians_.set_mean(c,
                          shifted(gaussians_.mean(c), before, now.features, options_.shift_width));
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::unique_ptr<adapt::Adapter> adapter_, before_;  // current, and before this task
  nn::TaskHeads heads_;
  Gaussians gaussians_;  // of each class's features, under the current adapter
};

LearnerRow ssiat_learner() {
  return learner_row<Ssiat>(
      {.paper = "Tan et al., CVPR 2024",
       .about = "Tunes one adapter on every task and aligns the heads on Gaussians whose means "
                "follow it.",
       .stores = "The adapter twice, a cosine head a task, and a Gaussian a class.",
       .differs =
           "A sample's shift is that of its own feature. The authors' code subtracts features "
           "of two passes in different orders, so that only the mean shift remains.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
