// EPI: every task has a prefix and a head of its own in a frozen network; a sample's task is that
// of the nearest class under the frozen network, by the Mahalanobis distance of a covariance that
// all tasks share. Wang et al., "Rehearsal-free Continual Language Learning via Efficient Parameter
// Isolation", ACL 2023.
#include <memory>
#include <numeric>

#include "patina/algebra/prototypes.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learn/own_heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Epi : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 16;
    void bind(Fields& f) override {
      f("length", length, "Keys and values that a task adds to every block.", sized(1));
    }
  };

  Epi(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {}

  void begin_task(const Task& task, Trainer&) override {
    for (auto& prefix : prefixes_) nn::freeze(*prefix);
    heads_.freeze();
    add_prefix(seeds_("prefix", uint64_t(task.index)));
    Random random = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place());
    tasks_.add(task);
  }

  Tensor loss(const Batch& batch, const Step&) override {
    return nn::cross_entropy(heads_.newest()(features(batch.input, prefixes_.size() - 1)),
                             batch.target - heads_.known());
  }

  // Σ = the mean over tasks of the covariance within classes (equation 4 of the paper).
  void end_task(const Task& task, Trainer& trainer) override {
    const FeatureSet set = trainer.features(backbone_, *task.train);
    NoGrad no_grad;
    const Tensor means = class_means(set, task.fresh);
    const Tensor centred =
        (set.features - means.index_select(0, set.targets - task.known())).to(at::kDouble);
    const Tensor covariance = at::matmul(centred.t(), centred) / double(centred.size(0));
    sum_ = sum_.defined() ? sum_ + covariance : covariance;
    means_ = with_rows(means_, means);
    inverse_ = at::linalg_pinv(sum_ / double(prefixes_.size()), /*hermitian=*/true);
  }

  // Within the task that is told or found; -inf for the classes of all others.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor tasks = asked.task.defined() || !inverse_.defined() ? asked.task : found(asked);
    return own_scores({asked.input, tasks}, heads_,
                      [this](size_t task, const Input& input) { return features(input, task); });
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*prefixes_.back(), heads_.newest())};
  }

  void state(Archive& a) override {
    a("heads", heads_);
    a("tasks", tasks_);
    if (a.loading()) {
      prefixes_.clear();
      while (prefixes_.size() < heads_.tasks()) add_prefix(Random());
    }
    for (size_t t = 0; t < prefixes_.size(); ++t) a(fmt::format("prefix_{}", t), *prefixes_[t]);
    a("means", means_);
    a("sum", sum_);
    a("inverse", inverse_);
  }

 private:
  void add_prefix(Random random) {
    std::vector<int64_t> all(size_t(backbone_.layers()));
    std::iota(all.begin(), all.end(), int64_t{0});
    prefixes_.push_back(
        make_prefix({.length = options_.length, .layers = all}, backbone_.tower(), random));
  }

  Tensor features(const Input& input, size_t task) const {
    return backbone_.features(input, {prefixes_[task].get()});
  }

  // The task of the class with the smallest (φ - μ_c)ᵀ Σ⁻¹ (φ - μ_c) (equation 5): [B].
  Tensor found(const Question& asked) const {
    const Tensor x = backbone_.features(asked.input).to(at::kDouble);
    const Tensor mu = means_.to(at::kDouble);
    const Tensor turned = at::matmul(mu, inverse_);  // [K,D]
    // xᵀ Σ⁻¹ x is the same for all classes.
    const Tensor distance = (turned * mu).sum(1).unsqueeze(0) - at::matmul(x, turned.t()) * 2;
    return on(x.device(), tasks_.task_of()).index_select(0, distance.argmin(1));
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::vector<std::unique_ptr<adapt::Prefix>> prefixes_;  // by task
  nn::TaskHeads heads_;
  ClassTasks tasks_;
  Tensor means_;          // [K,D], of the frozen network's features
  Tensor sum_, inverse_;  // [D,D] double: the sum of the tasks' covariances, and Σ⁻¹
};

LearnerRow epi_learner() {
  return learner_row<Epi>(
      {.paper = "Wang et al., ACL 2023",
       .about = "A prefix and a head for every task; a sample's task is that of the nearest class "
                "by a shared covariance.",
       .stores = "A prefix and a head a task, a mean a class, one covariance and its inverse.",
       .differs = "Features are the network's own, of its first or last token; the authors take "
                  "the mean over the tokens.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 5,
           .batch_size = 32,
           .optimizer = {
               .optimizer = "adamw", .lr = 0.03, .weight_decay = 0.01, .schedule = "constant"}}});
}

}  // namespace patina
