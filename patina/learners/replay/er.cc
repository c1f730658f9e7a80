// Experience replay: every step trains on the batch and as many samples of a small memory together.
// Chaudhry et al., "On Tiny Episodic Memories in Continual Learning", 2019.
#include "patina/learners/replay/replay_learner.h"

namespace patina {

class Er : public ReplayLearner {
 public:
  struct Options : LearnerOptions, ReplayOptions {
    void bind(Fields& f) override { ReplayOptions::bind(f); }
  };

  Er(Setup setup, const Options& options) : ReplayLearner(setup, options) {}

  // The mean over both: every sample counts the same. One forward pass, so that batch norms see
  // both.
  Tensor loss(const Batch& batch, const Step& step) override {
    if (memory().size() == 0) return NetworkLearner::loss(batch, step);
    return NetworkLearner::loss(batch.joined(replay(batch.size(), step).batch), step);
  }
};

LearnerRow er_learner() {
  return learner_row<Er>(
      {.paper = "Chaudhry et al., 2019",
       .about = "Replays a few remembered samples beside every batch.",
       .stores = "The network, a head, and the memory's samples.",
       .differs = "A sample is offered to the memory once, when it is first met, not in every "
                  "epoch; it is augmented anew whenever it is replayed.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 10,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
