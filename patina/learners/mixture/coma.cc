// CoMA (Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024): SLCA,
// but what a task trained is averaged with the previous network before the class Gaussians are
// taken and the heads aligned. The previous network is the one that scored, with aligned heads.
#include "patina/learn/slow_learner.h"

namespace patina {

class Coma : public AveragedLearner {
 public:
  struct Options : LearnerOptions, SlowLearnerOptions {
    double part = 0.4;
    void bind(Fields& f) override {
      SlowLearnerOptions::bind(f);
      f("part", part, "Of the network that the task trained, in the average.", between(0, 1));
    }
  };

  Coma(Setup setup, const Options& options)
      : AveragedLearner(setup, options), part_(options.part) {}

 private:
  // θ = (1-α) θ_previous + α θ_trained.
  Weights averaged(const Weights& previous, const Weights& trained, const Task&,
                   Trainer&) override {
    return mixed(previous, trained, part_);
  }

  double part_;
};

LearnerRow coma_learner() {
  return learner_row<Coma>(
      {.paper = "Marouf et al., ECCV 2024",
       .about = "SLCA whose network is averaged with the previous one after each task.",
       .stores = "As SLCA, and the previous network.",
       .differs = "A head that the previous network lacks stays as trained.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = slow_learner_training()});
}

}  // namespace patina
