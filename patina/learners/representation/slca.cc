// SLCA (Zhang et al., ICCV 2023): the whole network is fine-tuned with a learning rate a hundred
// times smaller than the heads', each task's head on its own classes. As old classes never met new
// ones, all heads are then aligned on features drawn from a Gaussian a class, with scores
// normalised by task; the aligned heads score, and the next task begins with those that were
// trained.
#include "patina/learn/slow_learner.h"

namespace patina {

class Slca : public SlowLearner {
 public:
  struct Options : LearnerOptions, SlowLearnerOptions {
    void bind(Fields& f) override { SlowLearnerOptions::bind(f); }
  };

  Slca(Setup setup, const Options& options) : SlowLearner(setup, options) {}
};

LearnerRow slca_learner() {
  return learner_row<Slca>(
      {.paper = "Zhang et al., ICCV 2023",
       .about =
           "Fine-tunes the network slowly and aligns the heads of all tasks on class Gaussians.",
       .stores = "The network; the heads, as trained and as aligned; a Gaussian a class.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = slow_learner_training()});
}

}  // namespace patina
