// Piggyback: the network is frozen; every task learns a binary mask over its weights. Mallya, Davis
// and Lazebnik, "Piggyback: Adapting a Single Network to Multiple Tasks by Learning to Mask
// Weights", ECCV 2018.
#include "patina/learn/network_learner.h"
#include "patina/learners/isolation/layer_weights.h"
#include "patina/nn/batch_norm.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Piggyback : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double start = 1e-2, threshold = 5e-3;
    void bind(Fields& f) override {
      f("start", start, "What every weight's mask value begins at.", above(0));
      f("threshold", threshold, "A weight is used where its mask value is above it.", above(0));
    }
  };

  Piggyback(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {
    nn::freeze(backbone());
    for (const auto& item : masked(backbone())) {
      item.tensor.requires_grad_(true);
      whole_.push_back(item.tensor.detach().clone());
    }
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    values_.clear();
    for (const auto& weight : whole_)
      values_.push_back(
          at::full(weight.sizes(), options_.start, weight.options()).requires_grad_(true));
  }

  // The loss of the masked network, with a straight-through gradient for the threshold: dL/dm = W
  // dL/dW'.
  Tensor loss(const Batch& batch, const Step& step) override {
    const nn::FixedStatistics fixed;
    std::vector<Tensor> masks;
    for (const auto& value : values_) masks.push_back(value.detach() > options_.threshold);
    wear(backbone(), masks);
    return NetworkLearner::loss(batch, step);
  }

  std::vector<Tensor> reached() override {
    std::vector<Tensor> weights;
    for (const auto& item : masked(backbone())) weights.push_back(item.tensor);
    return weights;
  }

  void after_backward(const Step&) override {
    const auto weights = masked(backbone());
    for (size_t i = 0; i < weights.size(); ++i) {
      const Tensor grad = weights[i].tensor.grad();
      values_[i].mutable_grad() = grad.defined() ? grad * whole_[i] : Tensor();
      weights[i].tensor.mutable_grad() = Tensor();
    }
    assign(weights, whole_);
  }

  void end_task(const Task&, Trainer&) override {
    for (auto& value : values_)
      masks_.push_back((value.detach() > options_.threshold).to(at::kByte));
    values_.clear();
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return by_task(asked, [&](int64_t task, const Input& input) {
      const auto first = masks_.begin() + task * int64_t(whole_.size());
      const auto network = backbone().clone();
      wear(*network, {first, first + int64_t(whole_.size())});
      return head()(network->features(input));
    });
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(head());
    group.tensors.insert(group.tensors.end(), values_.begin(), values_.end());
    return {group};
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("values", values_);
    a("masks", masks_);
    if (a.loading())
      for (auto& value : values_) value.requires_grad_(true);
  }

 private:
  static std::vector<nn::NamedTensor> masked(Backbone& network) {
    std::vector<nn::NamedTensor> list;
    for (auto& item : nn::tensors(network))
      if (is_layer_weight(item)) list.push_back(item);
    return list;
  }
  void wear(Backbone& network, const std::vector<Tensor>& masks) const {
    NoGrad no_grad;
    const auto weights = masked(network);
    for (size_t i = 0; i < weights.size(); ++i) weights[i].tensor.copy_(whole_[i] * masks[i]);
  }

  Options options_;
  Weights whole_;               // the pre-trained weights
  std::vector<Tensor> values_;  // of the current task's masks, before the threshold is applied
  std::vector<Tensor> masks_;   // of every task's weight tensors, task after task; uint8
};

LearnerRow piggyback_learner() {
  return learner_row<Piggyback>(
      {.paper = "Mallya et al., ECCV 2018",
       .about = "Learns for every task which weights of an unchanging network to use.",
       .stores = "A head, and a mask of the weights for every task.",
       .differs = "Masks are kept as a byte a weight, not a bit.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true},
       .network = Network::any,
       .training = {.epochs = 30,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adam", .lr = 1e-4, .schedule = "constant"}}});
}

}  // namespace patina
