// Riemannian walk: EWC with the Fisher information as a moving average during training, plus the
// path integral of the loss per distance in the Fisher metric. Chaudhry et al., "Riemannian Walk
// for Incremental Learning", ECCV 2018.
#include "patina/learn/network_learner.h"
#include "patina/learners/regularization/anchor.h"
#include "patina/ops.h"

namespace patina {

class RWalk : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double strength = 0.1, keep = 0.9, damping = 1e-3;
    int64_t interval = 10;
    void bind(Fields& f) override {
      f("strength", strength, "The paper's λ.", at_least(0));
      f("keep", keep, "What a new gradient leaves of the information: a moving average.",
        {.low = 0, .high = 1, .high_open = true});
      f("interval", interval, "Steps over which a score is measured (Δt).", at_least(1));
      f("damping", damping, "ε under a score's distance.", above(0));
    }
  };

  RWalk(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    const Weights now = copied(learned());
    const auto grown = [&](Weights& list) {
      Weights zeros;
      for (const auto& tensor : now) zeros.push_back(at::zeros_like(tensor));
      list = added(list, zeros);
    };
    grown(fisher_);
    grown(score_);
    gain_.restart(now);
    from_ = now;
    steps_ = 0;
  }

  // F ← keep F + (1 - keep) g²; L + λ Σ (F + s) (θ - θ*)².
  void after_backward(const Step&) override {
    const auto weights = learned();
    for (size_t i = 0; i < weights.size(); ++i)
      if (const Tensor g = weights[i].tensor.grad(); g.defined())
        fisher_[i].mul_(options_.keep).addcmul_(g, g, 1 - options_.keep);
    gain_.before_step(weights);
    anchor_.pull(weights, 2 * options_.strength);
  }

  // Every Δt steps: s ← s + max(0, -Σ g Δθ) / (½ F (θ_now - θ_then)² + ε) (equation 8 of the
  // paper).
  void after_step(const Batch&, const Step&) override {
    NoGrad no_grad;
    const auto weights = learned();
    gain_.after_step(weights);
    if (++steps_ % options_.interval != 0) return;
    const Weights now = weights_of(weights);
    for (size_t i = 0; i < now.size(); ++i) {
      const Tensor distance = fisher_[i] * (now[i] - from_[i]).square() * 0.5 + options_.damping;
      score_[i].add_(gain_.sum[i].clamp_min(0) / distance);
      gain_.sum[i].zero_();
      from_[i] = now[i].clone();
    }
  }

  // At the end of a task its scores are averaged with the earlier ones, which they were added to,
  // and both parts are normalised to a common scale. The first task has no earlier ones.
  void end_task(const Task& task, Trainer&) override {
    NoGrad no_grad;
    if (task.index > 0)
      for (auto& tensor : score_) tensor.mul_(0.5);
    const double f = largest(fisher_), s = largest(score_);
    Weights importance;
    for (size_t i = 0; i < fisher_.size(); ++i)
      importance.push_back(fisher_[i] / std::max(f, 1e-12) + score_[i] / std::max(s, 1e-12));
    anchor_ = {.importance = importance, .place = copied(learned())};
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("anchor", anchor_);
    a("fisher", fisher_);
    a("score", score_);
    a("gain", gain_.sum);
    a("from", from_);
    a("steps", steps_);
  }

 private:
  static double largest(const Weights& list) {
    double most = 0;
    for (const auto& tensor : list) most = std::max(most, tensor.max().item<double>());
    return most;
  }

  Options options_;
  Anchor anchor_;
  Weights fisher_, score_, from_;
  PathGain gain_;      // since the last score update
  int64_t steps_ = 0;  // in the task
};

LearnerRow rwalk_learner() {
  return learner_row<RWalk>(
      {.paper = "Chaudhry et al., ECCV 2018",
       .about =
           "Holds each weight by a running Fisher information and by how much its updates lowered "
           "the loss.",
       .stores = "The network, a head; a copy of both, their information and scores.",
       .differs =
           "The paper's memory of samples is left out; information and scores are divided by "
           "their largest, so that λ does not depend on the loss's scale. The information is "
           "updated every step and keeps 0.9 of what it was; the authors' code averages over an "
           "interval and keeps 0.1, for about the same window; it begins with the first gradient's "
           "square, here with 0, and its score has no ½. It also adds the mean of old and "
           "new scores to the old ones, where here, as in the paper, the mean replaces them.",
       .needs = {.boundaries = true},
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adam", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
