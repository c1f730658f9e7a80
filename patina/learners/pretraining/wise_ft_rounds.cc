// WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022) between the rounds
// of continual pre-training: after a round the network is interpolated with the pre-trained one or
// with the one before the round, and the next round goes on from the result. Before that the
// round's last checkpoints may be averaged: LAWA (Kaddour, "Stop Wasting My Time! Saving Days of
// ImageNet and BERT Training with Latest Weight Averaging", 2022).
#include <fmt/format.h>

#include "patina/learners/pretraining/round_learner.h"
#include "patina/ops.h"

namespace patina {

class WiseFtRounds : public RoundLearner {
 public:
  struct Options : LearnerOptions, RoundOptions {
    double part = 0.5;
    std::string toward = "pretrained";
    int64_t checkpoints = 1;
    int64_t apart = 500;
    void bind(Fields& f) override {
      f("part", part, "Of the network that the round trained, in the interpolation.",
        between(0, 1));
      f("toward", toward, "What the trained network is interpolated with.",
        {"pretrained", "previous"});
      f("checkpoints", checkpoints,
        "The round's last checkpoints, of which the mean takes the trained network's place; 1: the "
        "last alone.",
        at_least(1));
      f("apart", apart, "Steps between two of them.", at_least(1));
      RoundOptions::bind(f);
    }
  };

  WiseFtRounds(Setup setup, const Options& options)
      : RoundLearner(setup, {.tune = "full"}, options),
        options_(options),
        reference_(copied(setup.backbone)) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    RoundLearner::begin_task(task, trainer);
    if (options_.toward == "previous") reference_ = copied(backbone());
    latest_.clear();
  }

  // Checkpoints are counted from the round's last step.
  void after_step(const Batch&, const Step& step) override {
    const int64_t left = step.epochs * step.steps - step.before() - 1;
    if (options_.checkpoints > 1 && left % options_.apart == 0 &&
        left / options_.apart < options_.checkpoints)
      latest_.push_back(copied(backbone()));
  }

  // theta = (1 - part) reference + part trained
  void end_task(const Task&, Trainer&) override {
    const Weights trained = latest_.empty() ? weights_of(backbone()) : soup(latest_);
    assign(nn::tensors(backbone()), mixed(reference_, trained, options_.part));
    latest_.clear();
  }

  void state(Archive& a) override {
    RoundLearner::state(a);
    a("reference", reference_);
    auto checkpoints = int64_t(latest_.size());
    a("checkpoints", checkpoints);
    if (a.loading()) latest_.assign(size_t(checkpoints), {});
    for (size_t i = 0; i < latest_.size(); ++i) a(fmt::format("checkpoint_{}", i), latest_[i]);
  }

 private:
  Options options_;
  Weights reference_;
  std::vector<Weights> latest_;
};

LearnerRow wise_ft_rounds_learner() {
  return learner_row<WiseFtRounds>(
      {.paper = "Wortsman et al., CVPR 2022",
       .about = "Interpolates the network with the pre-trained or the previous one after each "
                "round, and on request averages the round's last checkpoints first.",
       .stores = "The network and the one it is drawn to; while it learns, the checkpoints.",
       .differs = "A baseline: the paper is not about continual learning.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = round_training(1e-4, 16)});
}

}  // namespace patina
