// Elastic weight consolidation: a quadratic penalty on changes of weights, weighted by their Fisher
// information for earlier tasks. Kirkpatrick et al., "Overcoming catastrophic forgetting in neural
// networks", PNAS 2017; online: Schwarz et al., "Progress & Compress", ICML 2018.
#include "patina/learn/network_learner.h"
#include "patina/learners/regularization/anchor.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Ewc : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double strength = 100;
    std::string mode = "separate", fisher = "sampled";
    double decay = 1;
    int64_t fisher_samples = 0;
    void bind(Fields& f) override {
      f("strength", strength, "The paper's λ.", at_least(0));
      f("mode", mode,
        "separate: a spring to the weights after every task; online: one to the last, with the sum "
        "of all informations.",
        {"separate", "online"});
      f("decay", decay, "Of online: what is left of earlier informations at each task (γ).",
        between(0, 1));
      f("fisher", fisher,
        "Whose likelihood it is the information of: of labels drawn from the network's own "
        "prediction (the definition), of all of them by their probabilities (exact, K times the "
        "work), or of the true labels (empirical).",
        {"sampled", "exact", "labels"});
      f("fisher_samples", fisher_samples, "Samples it is measured on; 0: all of the task.",
        at_least(0));
    }
  };

  Ewc(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {}

  // L + λ/2 Σ_k Σ_i F_ki (θ_i - θ*_ki)² (equation 3 of the paper). The penalties of all tasks are
  // combined into one, towards the weighted mean of the tasks' weights. With Adam, which normalises
  // each weight's step, the penalty is added to the gradient; plain descent could diverge with it,
  // so there it gets an implicit step of its own, at the rate that momentum gives to gradients.
  void after_backward(const Step& step) override {
    if (!step.descent) anchor_.pull(learned(), options_.strength);
  }
  void after_step(const Batch&, const Step& step) override {
    if (!step.descent) return;
    // A constant gradient moves a weight by rate / (1 - momentum) a step.
    const double momentum = step.trainer ? step.trainer->options().optimizer.momentum : 0;
    anchor_.hold(learned(), step.rate / (1 - momentum) * options_.strength);
  }

  void end_task(const Task& task, Trainer& trainer) override {
    Random random = seeds()("fisher", uint64_t(task.index));
    Dataset data = *task.train;
    if (options_.fisher_samples > 0 && options_.fisher_samples < data.size()) {
      auto drawn = random.permutation(data.size());
      drawn.resize(size_t(options_.fisher_samples));
      data = data.select(drawn);
    }
    Anchor anchor{.importance = information(data, trainer, random), .place = copied(learned())};
    if (options_.mode == "separate") {
      anchor_ = joined(anchor_, anchor);
      return;
    }
    for (auto& tensor : anchor_.importance) tensor.mul_(options_.decay);
    anchor.importance = added(anchor_.importance, anchor.importance);
    anchor_ = std::move(anchor);
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("anchor", anchor_);
  }

 private:
  // The mean over samples of the squared gradient of log p(y|x), each computed alone.
  Weights information(const Dataset& data, Trainer& trainer, Random random) {
    const auto of = [&](const std::function<Tensor(const Tensor&, const Batch&)>& loss) {
      return diagonal_fisher({}, learned(), data, trainer, random, [&](const Batch& batch) {
        return loss(competing(outputs(batch.input), batch.target), batch);
      });
    };
    if (options_.fisher == "labels")
      return of([](const Tensor& scores, const Batch& batch) {
        return nn::cross_entropy(scores, batch.target);
      });
    if (options_.fisher == "sampled")
      return of([&](const Tensor& scores, const Batch& batch) {
        return nn::cross_entropy(scores, drawn(scores, batch, random));
      });
    // Σ_y p(y) (d log p(y))² = Σ_y (√p(y) d log p(y))².
    Weights sum;
    for (int64_t y = 0; y < head().classes(); ++y)
      sum = added(sum, of([&](const Tensor& scores, const Batch&) {
                    const Tensor log_p = at::log_softmax(scores, -1).select(1, y);
                    return (at::exp(log_p.detach() * 0.5) * log_p.clamp_min(-1e4)).mean();
                  }));
    return sum;
  }

  // Draws a label per sample from the network's prediction; the draw depends on the sample only.
  static Tensor drawn(const Tensor& scores, const Batch& batch, Random random) {
    const Tensor sums = at::softmax(scores.detach(), -1).to(at::kDouble).cumsum(1);
    const auto samples = items_of(batch.sample());
    std::vector<int64_t> labels;
    for (size_t i = 0; i < samples.size(); ++i) {
      const double u = random.at(uint64_t(samples[i])).uniform();
      labels.push_back((sums[int64_t(i)] < u).sum().item<int64_t>());
      labels.back() = std::min(labels.back(), scores.size(1) - 1);
    }
    return tensor_of(labels, scores.device());
  }

  Options options_;
  Anchor anchor_;
};

LearnerRow ewc_learner() {
  return learner_row<Ewc>(
      {.paper = "Kirkpatrick et al., PNAS 2017",
       .about = "Holds each weight where earlier tasks left it, as hard as its Fisher information.",
       .stores = "The network, a head; a copy of both and their information.",
       .differs =
           "The information is that of single samples, whatever the batch; Avalanche squares "
           "a batch's mean gradient. The penalty is λ/2 F (θ - θ*)²: Mammoth's λ is half of "
           "it.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
