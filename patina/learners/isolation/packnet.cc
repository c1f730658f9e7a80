// PackNet: every task trains the free weights, releases the smallest of them, and freezes the rest.
// Mallya and Lazebnik, "PackNet: Adding Multiple Tasks to a Single Network by Iterative Pruning",
// CVPR 2018.
#include "patina/base/json.h"
#include "patina/learn/network_learner.h"
#include "patina/learners/isolation/layer_weights.h"
#include "patina/nn/batch_norm.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class PackNet : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double prune = 0.5;
    int64_t retrain_epochs = 5;
    void bind(Fields& f) override {
      f("prune", prune, "Part of a task's weights in each layer that it gives back.",
        {.low = 0, .high = 1, .high_open = true});
      f("retrain_epochs", retrain_epochs, "Epochs of those that it keeps, after pruning.",
        at_least(0));
    }
  };

  PackNet(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {
    for (const auto& item : weights())
      owner_.push_back(at::zeros(item.tensor.sizes(), item.tensor.options().dtype(at::kByte)));
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    earlier_classes_ = head().classes();
    NetworkLearner::begin_task(task, trainer);
    task_ = task.index + 1;
    pruned_ = false;
    hold_shared();
  }

  void fit(const Task& task, Trainer& trainer) override {
    if (!pruned_) {
      trainer.epochs(*this, task);
      prune();
      pruned_ = true;
    }
    if (options_.retrain_epochs > 0) trainer.epochs(*this, task, options_.retrain_epochs);
  }

  Tensor loss(const Batch& batch, const Step& step) override {
    // Running statistics belong to the first task, as norms and biases do.
    std::optional<nn::FixedStatistics> fixed;
    if (task_ > 1) fixed.emplace();
    return NetworkLearner::loss(batch, step);
  }

  // Weights of other tasks do not change, and after pruning the free ones stay zero.
  void after_backward(const Step&) override {
    const auto weights = this->weights();
    kept_ = copied(weights);
    kept_head_ = copied(earlier_rows());
    for (size_t i = 0; i < weights.size(); ++i)
      if (weights[i].tensor.grad().defined()) weights[i].tensor.grad().mul_(moves(weights[i], i));
  }

  // Restores the other weights, and the rows of earlier tasks in the head: weight decay and
  // momentum change weights without a gradient, too.
  void after_step(const Batch&, const Step&) override {
    NoGrad no_grad;
    const auto weights = this->weights();
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i].tensor.copy_(at::where(moves(weights[i], i), weights[i].tensor, kept_[i]));
    assign(earlier_rows(), kept_head_);
  }

  // The network of task t: the weights of tasks up to t.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return by_task(asked, [&](int64_t task, const Input& input) {
      const auto network = backbone().clone();
      const auto weights = learned_weights(*network);
      for (size_t i = 0; i < weights.size(); ++i)
        if (is_packed(weights[i]))
          weights[i].tensor.mul_((owner_[i] > 0) & (owner_[i] <= task + 1));
      return head()(network->features(input));
    });
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("owner", owner_);
    a("task", task_);
    a("pruned", pruned_);
    a("earlier_classes", earlier_classes_);
    if (a.loading()) hold_shared();
  }

  Json diagnostics() const override {
    double free = 0, all = 0;
    const auto weights = this->weights();
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!is_packed(weights[i])) continue;
      free += owner_[i].eq(0).sum().item<double>();
      all += double(owner_[i].numel());
    }
    return {{"free_weights", free / all}};
  }

 private:
  static bool is_packed(const nn::NamedTensor& item) { return is_layer_weight(item); }
  static std::vector<nn::NamedTensor> learned_weights(Backbone& network) {
    std::vector<nn::NamedTensor> list;
    for (auto& item : nn::tensors(network))
      if (item.learned) list.push_back(item);
    return list;
  }
  std::vector<nn::NamedTensor> weights() const { return learned_weights(backbone()); }
  std::vector<nn::NamedTensor> earlier_rows() {
    std::vector<nn::NamedTensor> rows = nn::tensors(head());
    for (auto& item : rows) item.tensor = item.tensor.detach().slice(0, 0, earlier_classes_);
    return rows;
  }
  // Biases, norms, embeddings, positions and class tokens belong to the first task.
  void hold_shared() {
    for (auto& item : weights())
      if (!is_packed(item)) item.tensor.requires_grad_(task_ <= 1);
  }
  Tensor moves(const nn::NamedTensor& weight, size_t i) const {
    if (!is_packed(weight))
      return at::full(owner_[i].sizes(), task_ == 1, owner_[i].options().dtype(at::kBool));
    return owner_[i] == (pruned_ ? task_ : 0);
  }

  // Sets the smallest of the weights this task trained to zero; the task owns the others.
  void prune() {
    NoGrad no_grad;
    const auto weights = this->weights();
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!is_packed(weights[i])) continue;
      const Tensor free = owner_[i] == 0;
      const Tensor sizes = std::get<0>(at::sort(at::abs(weights[i].tensor).masked_select(free)));
      if (sizes.numel() == 0) continue;
      const auto given = int64_t(double(sizes.numel()) * options_.prune);
      const double limit = given > 0 ? sizes[given - 1].item<double>() : -1;
      const Tensor kept = free & (at::abs(weights[i].tensor) > limit);
      owner_[i].masked_fill_(kept, task_);
      weights[i].tensor.masked_fill_(owner_[i] == 0, 0);
    }
  }

  Options options_;
  std::vector<Tensor> owner_;  // for each weight: 0 free, otherwise the task's number from 1
  int64_t task_ = 0;
  bool pruned_ = false;          // whether the current task is pruned
  int64_t earlier_classes_ = 0;  // before the current task
  Weights kept_, kept_head_;     // before the current step
};

LearnerRow packnet_learner() {
  return learner_row<PackNet>(
      {.paper = "Mallya and Lazebnik, CVPR 2018",
       .about =
           "Prunes each task's weights and keeps the rest for good; the next takes what is free.",
       .stores = "The network, a head, and which task owns each weight.",
       .differs =
           "Embeddings, positions and class tokens of a transformer, which the paper does "
           "not have, are shared by all tasks as biases are. The authors train for 20 epochs, "
           "the last ten at a tenth of the rate, and for ten at that after pruning, "
           "without weight decay.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true},
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 32,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
