// RecAdam: every step combines Adam's update with a pull towards the pre-trained weights; the pull
// dominates at first and fades as the update's factor is annealed to one. Chen et al., "Recall and
// Learn: Fine-tuning Deep Pretrained Language Models with Less Forgetting", EMNLP 2020.
#include <algorithm>
#include <cmath>

#include "patina/learn/network_learner.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class RecAdam : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double strength = 5000, rate = 0.1;
    int64_t middle = 250;
    std::string annealing = "sigmoid", recall = "pretrained";
    void bind(Fields& f) override {
      f("strength", strength, "Of the pull to where pre-training ended (γ).", at_least(0));
      f("rate", rate, "How steeply recall turns into learning around its middle (k).", above(0));
      f("middle", middle, "The step of a task at which half of it is learning (t₀).", at_least(1));
      f("annealing", annealing, "sigmoid; linear up to the middle; constant: no recall.",
        {"sigmoid", "linear", "constant"});
      f("recall", recall, "What is recalled: the pre-trained weights, or those a task began with.",
        {"pretrained", "previous"});
    }
  };

  RecAdam(Setup setup, const Options& options)
      : NetworkLearner(setup), options_(options), place_(copied(nn::trainable(backbone()))) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    if (options_.recall == "previous") place_ = copied(nn::trainable(backbone()));
  }

  void after_backward(const Step&) override { before_ = copied(nn::trainable(backbone())); }

  // θ ← θ + λ(t) Δθ - η (1 - λ(t)) γ (θ - θ*), with Δθ Adam's update (algorithm 1 of the paper).
  // The head has no pre-trained weights and takes Adam's step. A pull never goes beyond θ*.
  void after_step(const Batch&, const Step& step) override {
    NoGrad no_grad;
    const double learning = learning_part(step.before() + 1);
    const double recall = std::min(1.0, step.rate * (1 - learning) * options_.strength);
    const auto weights = nn::trainable(backbone());
    for (size_t i = 0; i < weights.size(); ++i) {
      const Tensor away = before_[i] - place_[i];
      weights[i].tensor.sub_(before_[i]).mul_(learning).add_(before_[i]).sub_(away, recall);
    }
    before_.clear();
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    if (options_.recall == "previous") a("place", place_);
  }

 private:
  // λ(t) from 0 to 1: t counts a task's steps from 1.
  double learning_part(int64_t t) const {
    if (options_.annealing == "constant") return 1;
    if (options_.annealing == "linear") return std::min(1.0, double(t) / double(options_.middle));
    return 1 / (1 + std::exp(-options_.rate * double(t - options_.middle)));
  }

  Options options_;
  Weights place_;   // θ* of the backbone's weights
  Weights before_;  // before the current step
};

LearnerRow recadam_learner() {
  return learner_row<RecAdam>(
      {.paper = "Chen et al., EMNLP 2020",
       .about =
           "Adam whose steps recall the pre-trained weights, at first above all, then less and "
           "less.",
       .stores = "The network, a head, the weights that are recalled.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::any,
       .training = {.epochs = 3,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adamw", .lr = 2e-5, .schedule = "constant"}}});
}

}  // namespace patina
