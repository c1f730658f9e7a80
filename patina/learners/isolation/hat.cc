// HAT: every task learns an attention mask over units; weights between units that earlier tasks use
// are protected from change. Serra et al., "Overcoming Catastrophic Forgetting with Hard Attention
// to the Task", ICML 2018.
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/learn/network_learner.h"
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

  Hat(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {
    for (const auto& item : nn::tensors(backbone()))
      if (item.tensor.dim() == 2)
        used_.push_back(at::zeros({item.tensor.size(0)}, item.tensor.options()));
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    Random random = seeds()("embedding", uint64_t(task.index));
    std::vector<Tensor> fresh;
    for (const auto& used : used_) {
      Tensor embedding = at::empty({used.size(0)}, used.options());
      nn::init_normal(embedding, random, 0, 1);
      fresh.push_back(embedding.requires_grad_(true));
    }
    for (auto& embedding : embeddings_) embedding.requires_grad_(false);
    embeddings_.insert(embeddings_.end(), fresh.begin(), fresh.end());
  }

  // CE + λ Σ m (1 - m_used) / Σ (1 - m_used), with the gate scale s of this step, which rises from
  // 1/s_max to s_max within every epoch (equations 3 and 5 of the paper).
  Tensor loss(const Batch& batch, const Step& step) override {
    const double s = steepness(step);
    UnitMask mask;
    Tensor more, room;
    for (size_t l = 0; l < used_.size(); ++l) {
      mask.masks.push_back(at::sigmoid(newest(l) * s));
      const Tensor free = 1 - used_[l], taken = (mask.masks[l] * free).sum();
      more = l == 0 ? taken : more + taken;
      room = l == 0 ? free.sum() : room + free.sum();
    }
    const Tensor outputs = head()(backbone().features(batch.input, {&mask}));
    return task_loss(outputs, batch.target) + more / room.clamp_min(1) * options_.sparsity;
  }

  // Weight gradients are scaled by 1 - min(m_used[out], m_used[in]) (equation 2). Embedding
  // gradients are scaled to compensate for the annealing of s (equation 6).
  void after_backward(const Step& step) override {
    size_t layer = 0;
    for (const auto& item : nn::trainable(backbone())) {
      Tensor grad = item.tensor.grad();
      const size_t l = item.tensor.dim() == 2 ? layer++ : layer - 1;
      if (!grad.defined()) continue;
      if (item.tensor.dim() == 1) {
        grad.mul_(1 - used_[l]);
      } else {
        const Tensor out = used_[l].unsqueeze(1).expand_as(grad);
        grad.mul_(1 - (l == 0 ? out : out.minimum(used_[l - 1].unsqueeze(0).expand_as(grad))));
      }
    }
    constexpr double kLargest = 50;
    const double s = steepness(step);
    for (size_t l = 0; l < used_.size(); ++l) {
      const Tensor e = newest(l).detach();
      const Tensor lost = (at::clamp(e * s, -kLargest, kLargest).cosh() + 1) / (e.cosh() + 1);
      newest(l).mutable_grad().mul_(lost * (options_.steepness / s));
    }
  }

  void after_step(const Batch&, const Step&) override {
    NoGrad no_grad;
    constexpr double kLargest = 6;
    for (size_t l = 0; l < used_.size(); ++l) newest(l).clamp_(-kLargest, kLargest);
  }

  void end_task(const Task&, Trainer&) override {
    const auto masks = masks_of(tasks() - 1);
    for (size_t l = 0; l < used_.size(); ++l) used_[l] = at::maximum(used_[l], masks[l]);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return by_task(asked, [&](int64_t task, const Input& input) {
      UnitMask mask;
      mask.masks = masks_of(task);
      return head()(backbone().features(input, {&mask}));
    });
  }

  std::vector<ParamGroup> trainable() override {
    auto groups = NetworkLearner::trainable();
    ParamGroup masks;
    for (size_t l = 0; l < used_.size(); ++l) masks.tensors.push_back(newest(l));
    groups.push_back(masks);
    return groups;
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("used", used_);
    a("embeddings", embeddings_);
    if (a.loading())
      for (size_t l = 0; l < used_.size() && !embeddings_.empty(); ++l)
        newest(l).requires_grad_(true);
  }

  Json diagnostics() const override {
    Json parts = Json::array();
    for (const auto& used : used_)
      parts.push_back(used.gt(0.5).to(at::kDouble).mean().item<double>());
    return {{"units_used", parts}};
  }

 private:
  double steepness(const Step& step) const {
    const double part = step.steps > 1 ? double(step.step) / double(step.steps - 1) : 1;
    return 1 / options_.steepness + (options_.steepness - 1 / options_.steepness) * part;
  }
  int64_t tasks() const { return int64_t(embeddings_.size() / used_.size()); }
  Tensor& newest(size_t layer) { return embeddings_[embeddings_.size() - used_.size() + layer]; }
  std::vector<Tensor> masks_of(int64_t task) const {
    std::vector<Tensor> masks;
    for (size_t l = 0; l < used_.size(); ++l)
      masks.push_back(
          at::sigmoid(embeddings_[size_t(task) * used_.size() + l].detach() * options_.steepness));
    return masks;
  }

  Options options_;
  std::vector<Tensor> used_;        // per layer, use of the units by earlier tasks, [units], 0 to 1
  std::vector<Tensor> embeddings_;  // per task and layer, [units]
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
