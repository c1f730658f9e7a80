// Experience replay (Chaudhry et al., "On Tiny Episodic Memories in Continual Learning", 2019) for
// questions about images: each step trains the fusion head on its batch and on as many earlier
// questions, of which a small memory keeps some with their images.
#include "patina/learners/two_tower/fusion_learner.h"

namespace patina {

class FusionReplay : public FusionReplayLearner {
 public:
  struct Options : LearnerOptions, FusionOptions, ReplayOptions {
    void bind(Fields& f) override {
      FusionOptions::bind(f);
      ReplayOptions::bind(f);
    }
  };

  FusionReplay(Setup setup, const Options& options)
      : FusionReplayLearner(setup, options, options) {}
};

LearnerRow fusion_replay_learner() {
  return learner_row<FusionReplay>(
      {.paper = "Chaudhry et al., 2019",
       .about = "Trains the fusion head on every batch of questions about images together with a "
                "few remembered ones.",
       .stores = "The head, and the memory's samples.",
       .differs = "As `fusion` and `er` say.",
       .keeps_samples = true,
       .network = kQuestions,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
