// CBA: during training an adaptor after the network's scores models the bias towards the newest
// samples. It is trained so that the step the network takes with it lowers the loss on the memory,
// and is not used at test time. Wang et al., "CBA: Improving Online Continual Learning via
// Continual Bias Adaptor", ICCV 2023.
#include "patina/config/sizes.h"
#include "patina/learners/online/bias_adaptor.h"
#include "patina/learners/replay/replay_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"

namespace patina {

class Cba : public ReplayLearner {
 public:
  struct Options : LearnerOptions, ReplayOptions {
    int64_t hidden = 256;
    double adaptor_lr_factor = 0.1;
    void bind(Fields& f) override {
      ReplayOptions::bind(f);
      f("hidden", hidden, "Units of the adaptor.", sized(1));
      f("adaptor_lr_factor", adaptor_lr_factor, "Learning rate of the adaptor over the network's.",
        above(0));
    }
  };

  Cba(Setup setup, const Options& options) : ReplayLearner(setup, options), options_(options) {}

  void begin_classes(int64_t fresh) override {
    ReplayLearner::begin_classes(fresh);
    adaptor_.grow(fresh, options_.hidden, seeds()("adaptor", uint64_t(head().classes())),
                  backbone().place());
  }

  // Loss with the adaptor, averaged over the batch and as many memory samples.
  Tensor loss(const Batch& batch, const Step& step) override {
    const Batch all = memory().size() > 0 ? batch.joined(replay(batch.size(), step).batch) : batch;
    const Tensor features = backbone().features(all.input);
    collect(features_, features.detach(), step);
    collect(targets_, all.target, step);
    return task_loss(adaptor_(head()(features)), all.target);
  }
  bool divides() const override { return false; }  // the adaptor's gradient reads all features

  // The adaptor's gradient is that of the memory loss, without adaptor, after the head's step.
  void after_backward(const Step& step) override {
    const auto tensors = adaptor_.tensors();
    if (memory().size() > 0)
      set_gradients(tensors, gradients_of(loss_after(step), tensors));
    else
      for (const auto& tensor : tensors) tensor.mutable_grad() = Tensor();
  }

  std::vector<ParamGroup> trainable() override {
    auto groups = ReplayLearner::trainable();
    groups.push_back({.tensors = adaptor_.tensors(), .lr_factor = options_.adaptor_lr_factor});
    return groups;
  }

  void state(Archive& a) override {
    ReplayLearner::state(a);
    a("adaptor", adaptor_);
  }

 private:
  // W' = W - η dL/dW, written so that it is differentiable by the adaptor: dL/dW = (dL/dz)ᵀ f.
  Tensor loss_after(const Step& step) const {
    const Batch past = replay(targets_.size(0) / 2, step, /*draw=*/1).batch;
    Tensor asked;
    {
      NoGrad no_grad;
      asked = backbone().features(past.input);
    }
    const Tensor weight = head().weight.detach(), bias = head().bias.detach();
    const Tensor z = at::linear(features_, weight, bias);
    const Tensor p = at::softmax(competing(adaptor_(z), targets_), 1);
    const Tensor wanted = at::one_hot(targets_, z.size(1)).to(at::kFloat);
    const Tensor d = adaptor_.pulled_back(z, (p - wanted) / double(targets_.size(0)));
    const Tensor scores =
        at::linear(asked, weight - d.t().mm(features_) * step.rate, bias - d.sum(0) * step.rate);
    return task_loss(scores, past.target);
  }

  Options options_;
  BiasAdaptor adaptor_;
  Tensor features_, targets_;  // of the current step
};

LearnerRow cba_learner() {
  return learner_row<Cba>(
      {.paper = "Wang et al., ICCV 2023",
       .about = "Replay behind an adaptor of the scores that is trained for the memory's good and "
                "taken away at test.",
       .stores = "The network, a head, the adaptor, the memory's samples.",
       .differs = "The adaptor is trained through the head's step alone, by its formula; the step "
                  "of the layers before it is left out.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 10,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
