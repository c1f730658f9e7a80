// Synaptic intelligence: a weight's importance is how much its updates lowered the loss during
// training. Zenke, Poole and Ganguli, "Continual Learning Through Synaptic Intelligence", ICML
// 2017.
#include "patina/learn/network_learner.h"
#include "patina/learners/regularization/anchor.h"
#include "patina/ops.h"

namespace patina {

class Si : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double strength = 0.1, damping = 0.1;
    void bind(Fields& f) override {
      f("strength", strength, "The paper's c.", at_least(0));
      f("damping", damping, "The paper's ξ: keeps importances of weights that hardly moved finite.",
        above(0));
    }
  };

  Si(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    NetworkLearner::begin_task(task, trainer);
    start_ = copied(learned());
    path_.restart(start_);
  }

  // The gradient of the task's loss alone, before the gradient of the penalty c Σ Ω (θ - θ*)² is
  // added.
  void after_backward(const Step&) override {
    const auto weights = learned();
    path_.before_step(weights);
    anchor_.pull(weights, 2 * options_.strength);
  }

  // ω ← ω - g Δθ, with Δθ the step that was actually taken.
  void after_step(const Batch&, const Step&) override { path_.after_step(learned()); }

  // Ω ← Ω + ω / ((θ - θ_start)² + ξ) (equation 5 of the paper); negative ω count as zero.
  void end_task(const Task&, Trainer&) override {
    NoGrad no_grad;
    const Weights now = copied(learned());
    Weights gained;
    for (size_t i = 0; i < now.size(); ++i)
      gained.push_back(path_.sum[i].clamp_min(0) /
                       ((now[i] - start_[i]).square() + options_.damping));
    anchor_ = {.importance = added(anchor_.importance, gained), .place = now};
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("anchor", anchor_);
    a("start", start_);
    a("path", path_.sum);
  }

 private:
  Options options_;
  Anchor anchor_;
  Weights start_;  // weights at the start of the task
  PathGain path_;  // ω
};

LearnerRow si_learner() {
  return learner_row<Si>(
      {.paper = "Zenke et al., ICML 2017",
       .about = "Holds each weight by how much its updates lowered the losses of earlier tasks.",
       .stores = "The network, a head; a copy of both, the importances and, within a task, the "
                 "path's sum.",
       .differs = "The path's sum uses the task's own gradient and the step really made; Avalanche "
                  "counts the penalty's gradient too. Negative sums of a task count as zero; the "
                  "authors' code clips the importance over all tasks, so that they lower it.",
       .needs = {.boundaries = true},
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 256,
                    .optimizer = {.optimizer = "adam", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
