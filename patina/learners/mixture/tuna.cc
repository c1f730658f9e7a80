// TUNA (Wang et al., "Integrating Task-Specific and Universal Adapters for Pre-Trained Model-Based
// Class-Incremental Learning", ICCV 2025): each task's adapter is initialised with the last one.
// Merging all of them, by the largest magnitude with the dominant sign per element, gives a
// universal adapter. A sample is scored by the task adapter with the lowest entropy and by the
// universal one.
#include <cmath>

#include "patina/learn/learner.h"
#include "patina/learners/representation/alignment.h"
#include "patina/learners/representation/task_adapters.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Tuna : public Learner {
 public:
  struct Options : LearnerOptions {
    adapt::AdapterOptions adapter = {.bottleneck = 16};
    AlignmentOptions alignment = {.epochs = 30, .samples = 80, .lr = 0.005};
    double scale = 20, margin = 0;
    double orthogonality = 0;
    bool decay = false;
    void bind(Fields& f) override {
      f.section("adapter", adapter, "Each task's adapter, and the universal one.");
      f.section("alignment", alignment, "Of all heads, after each task but the first.");
      f("scale", scale, "Factor on cosines.", above(0));
      f("margin", margin, "CosFace's margin at the target; the paper takes 0.3 on ImageNet-A.",
        at_least(0));
      f("orthogonality", orthogonality,
        "Weight of the loss that turns an adapter away from the earlier ones; the paper takes "
        "0.001 "
        "on ImageNet-R and 0 on CIFAR-100.",
        at_least(0));
      f("decay", decay, "Draw earlier classes' means a little smaller when heads are aligned.");
    }
  };

  Tuna(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        adapters_(setup.backbone, options.adapter) {
    Random random;
    universal_ = make_adapter(options.adapter, backbone_.tower(), random);
    nn::freeze(*universal_);
  }

  void begin_task(const Task& task, Trainer&) override {
    adapters_.add(seeds_("adapter", uint64_t(task.index)), /*like_last=*/true);
    Random random = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place(), 0,
               /*bias=*/false);
  }

  // CosFace among the task's own classes, plus orthogonality to earlier adapters.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor features = adapters_.features(batch.input, adapters_.size() - 1);
    Tensor own =
        nn::margin_cross_entropy(cosine_scores(features, heads_.newest().weight),
                                 batch.target - heads_.known(), options_.scale, options_.margin);
    if (options_.orthogonality == 0 || adapters_.size() == 1) return own;
    const double weight = options_.orthogonality * std::exp(-double(adapters_.size()));
    return own + weight * overlap();
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(adapters_.last());
    group.tensors.push_back(heads_.newest().weight);
    return {group};
  }

  void fit(const Task& task, Trainer& trainer) override {
    trainer.epochs(*this, task);
    adapters_.freeze();
    assign(nn::tensors(*universal_), elected(adapters_.weights(adapters_.size())));
    add_gaussians(gaussians_, adapters_.features(*task.train, size_t(task.index), trainer),
                  task.fresh, options_.alignment.shrinkage);
    if (task.index == 0) return;
    const auto scales = options_.decay ? drift_scales(heads_.sizes()) : std::vector<double>();
    align(options_.alignment, gaussians_, scales, {ParamGroup{heads_.tensors()}},
          seeds_("alignment", uint64_t(task.index)),
          [&](const Tensor& features, const Tensor& targets) {
            return nn::cross_entropy(scored(features), targets);
          });
  }

  // softmax(z_j) + softmax(z_universal), with j the adapter whose softmax(z_j) has the lowest
  // entropy.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    std::vector<Tensor> own;
    for (size_t j = 0; j < adapters_.size(); ++j)
      own.push_back(scored(adapters_.features(asked.input, j)));
    const Tensor universal = scored(backbone_.features(asked.input, {universal_.get()}));
    return at::softmax(least_entropy(own), 1) + at::softmax(universal, 1);
  }

  void state(Archive& a) override {
    a("adapters", adapters_);
    a("universal", *universal_);
    a("heads", heads_);
    a("gaussians", gaussians_);
  }

 private:
  Tensor scored(const Tensor& features) const { return options_.scale * heads_.cosines(features); }

  // Σ_i mean over blocks |mean of Û Û_iᵀ| over earlier adapters i; Û are the rows of `up` at unit
  // length. The mean of all products of rows is the product of the mean rows.
  Tensor overlap() const {
    const auto mean_row = [](const adapt::Adapter& adapter, int64_t block) {
      return normalized(adapter.up(block)).mean(0);
    };
    const int64_t blocks = backbone_.layers();
    Tensor sum = at::zeros({}, heads_.newest().weight.options());
    for (int64_t block = 0; block < blocks; ++block) {
      const Tensor own = mean_row(adapters_.last(), block);
      for (size_t i = 0; i + 1 < adapters_.size(); ++i)
        sum = sum + (own * mean_row(adapters_[i], block)).sum().abs() / double(blocks);
    }
    return sum;
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  TaskAdapters adapters_;
  std::unique_ptr<adapt::Adapter> universal_;  // all of them, merged
  nn::TaskHeads heads_;
  Gaussians gaussians_;  // of each class's features, under its own task's adapter
};

LearnerRow tuna_learner() {
  return learner_row<Tuna>(
      {.paper = "Wang et al., ICCV 2025",
       .about =
           "Scores a sample under the surest of the tasks' adapters and under all of them merged.",
       .stores =
           "An adapter a task, all of them merged, a cosine head a task, and a Gaussian a class.",
       .differs = "The merged adapter scores. In the authors' first release the newest one does in "
                  "its place, by an index.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 15, .batch_size = 16, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
