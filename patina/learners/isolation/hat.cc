// HAT: every task learns an attention mask over units; weights between units that earlier tasks use
// are protected from change. Serra et al., "Overcoming Catastrophic Forgetting with Hard Attention
// to the Task", ICML 2018.
#include "patina/base/json.h"
#include "patina/learn/network_learner.h"
#include "patina/learners/isolation/hard_attention.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Multiplies the units of each hidden layer by a mask.
class UnitMask : public nn::Adaptation {
 public:
  std::vector<Tensor> masks;  // one per layer, [units]

  Tensor after(nn::Site site, int layer, const Tensor&, Tensor out) override {
    return site == nn::Site::fc1 ? out * masks[size_t(layer)] : out;
  }
  bool acts(nn::Site site) const override { return site == nn::Site::fc1; }
};

}  // namespace

class Hat : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double steepness = 400, sparsity = 0.75;
    void bind(Fields& f) override {
      f("steepness", steepness, "Of the masks at the end of an epoch and in use (s_max).",
        above(1));
      f("sparsity", sparsity, "Weight of the units used beyond those of earlier tasks (λ).",
        at_least(0));
    }
  };

  Hat(Setup setup, const Options& options)
      : NetworkLearner(setup),
        options_(options),
        attention_(units(setup.backbone), options.steepness, setup.backbone.place().options()) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    attention_.begin_task(seeds()("embedding", uint64_t(task.index)));
  }

  // CE + λ Σ m (1 - m_used) / Σ (1 - m_used) (equations 3 and 5 of the paper).
  Tensor loss(const Batch& batch, const Step& step) override {
    UnitMask mask;
    mask.masks = attention_.training(attention_.scale(step));
    const Tensor outputs = head()(backbone().features(batch.input, {&mask}));
    return task_loss(outputs, batch.target) + attention_.taken(mask.masks) * options_.sparsity;
  }

  void after_backward(const Step& step) override {
    size_t layer = 0;
    for (const auto& item : nn::trainable(backbone())) {
      Tensor grad = item.tensor.grad();
      const size_t l = item.tensor.dim() == 2 ? layer++ : layer - 1;
      if (!grad.defined()) continue;
      grad.mul_(item.tensor.dim() == 1 || l == 0 ? attention_.freedom_of_rows(l, item.tensor.dim())
                                                 : attention_.freedom(l, l - 1));
    }
    attention_.compensate(step);
  }

  void after_step(const Batch&, const Step&) override { attention_.clamp(); }
  void end_task(const Task&, Trainer&) override { attention_.end_task(); }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return by_task(asked, [&](int64_t task, const Input& input) {
      UnitMask mask;
      mask.masks = attention_.of_task(task);
      return head()(backbone().features(input, {&mask}));
    });
  }

  std::vector<ParamGroup> trainable() override {
    auto groups = NetworkLearner::trainable();
    groups.push_back({attention_.trained()});
    return groups;
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    attention_.state(a);
  }

  Json diagnostics() const override {
    Json parts = Json::array();
    for (size_t l = 0; l < units(backbone()).size(); ++l)
      parts.push_back(attention_.used(l).gt(0.5).to(at::kDouble).mean().item<double>());
    return {{"units_used", parts}};
  }

 private:
  // Of each layer.
  static std::vector<int64_t> units(Backbone& backbone) {
    std::vector<int64_t> units;
    for (const auto& item : nn::tensors(backbone))
      if (item.tensor.dim() == 2) units.push_back(item.tensor.size(0));
    return units;
  }

  Options options_;
  HardAttention attention_;
};

LearnerRow hat_learner() {
  return learner_row<Hat>(
      {.paper = "Serra et al., ICML 2018",
       .about = "Learns which units a task uses, and keeps the weights between used units.",
       .stores = "The network, a head, a mask of the units for every task.",
       .differs = "The rate is constant for 50 epochs; the authors divide it by three where the "
                  "loss of validation samples stands still, and stop after some such steps.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true},
       .network = Network::mlp,
       .training = {
           .epochs = 50,
           .batch_size = 64,
           .optimizer = {.lr = 0.05, .momentum = 0, .schedule = "constant", .clip_norm = 10000}}});
}

}  // namespace patina
