// Memory aware synapses: a weight's importance is the sensitivity of the network's output to it; no
// labels are needed. Aljundi et al., "Memory Aware Synapses: Learning what (not) to forget", ECCV
// 2018.
#include <limits>

#include "patina/learn/network_learner.h"
#include "patina/learners/regularization/anchor.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/ops.h"

namespace patina {

class Mas : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double strength = 1, keep = 0;
    void bind(Fields& f) override {
      f("strength", strength, "The paper's λ.", at_least(0));
      f("keep", keep,
        "0: importances of all tasks add up (the paper); above: they are a moving average that "
        "keeps so much of the earlier ones.",
        {.low = 0, .high = 1, .high_open = true});
    }
  };

  Mas(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {}

  // L + λ Σ Ω (θ - θ*)².
  void after_backward(const Step&) override { anchor_.pull(learned(), 2 * options_.strength); }

  // Ω: the mean over samples of |d ‖f(x)‖² / dθ|, each alone (equations 2 and 3 of the paper). If
  // the task is known at test time, f is the output of its own head: other heads never score these
  // samples.
  void end_task(const Task& task, Trainer& trainer) override {
    const auto weights = learned();
    Weights fresh = mean_of_gradients(
        weights, *task.train, trainer, seeds()("importance", uint64_t(task.index)),
        /*by_batch=*/false, "importance of weights",
        [&](const Batch& batch) { return own(batch).square().sum(); },
        [](const Tensor& sum, const Tensor& g) { sum.add_(at::abs(g)); });
    if (options_.keep > 0 && !anchor_.empty()) {
      for (auto& tensor : fresh) tensor.mul_(1 - options_.keep);
      for (auto& tensor : anchor_.importance) tensor.mul_(options_.keep);
    }
    anchor_ = {.importance = added(anchor_.importance, fresh), .place = copied(weights)};
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("anchor", anchor_);
  }

 private:
  // The outputs of a sample; those of classes that do not compete with its own are zero.
  Tensor own(const Batch& batch) {
    const Tensor f = competing(outputs(batch.input), batch.target);
    return f.masked_fill(f == -std::numeric_limits<double>::infinity(), 0);
  }

  Options options_;
  Anchor anchor_;
};

LearnerRow mas_learner() {
  return learner_row<Mas>(
      {.paper = "Aljundi et al., ECCV 2018",
       .about = "Holds each weight as hard as the network's output depends on it.",
       .stores = "The network, a head; a copy of both and the importances.",
       .differs = "The gradient's magnitude is taken sample by sample; Avalanche takes a batch's.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::any,
       .training = {
           .epochs = 10, .batch_size = 128, .optimizer = {.lr = 0.01, .schedule = "constant"}}});
}

}  // namespace patina
