// CoMA (Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024): SLCA,
// but what a task trained is averaged with the previous network before the class Gaussians are
// taken and the heads aligned. The previous network is the one that scored, with aligned heads.
#include "patina/learn/merging.h"
#include "patina/learn/slow_learner.h"

namespace patina {

class Coma : public SlowLearner {
 public:
  struct Options : LearnerOptions, SlowLearnerOptions {
    double part = 0.4;
    void bind(Fields& f) override {
      SlowLearnerOptions::bind(f);
      f("part", part, "Of the network that the task trained, in the average.", between(0, 1));
    }
  };

  Coma(Setup setup, const Options& options) : SlowLearner(setup, options), part_(options.part) {}

  void end_task(const Task& task, Trainer& trainer) override {
    SlowLearner::end_task(task, trainer);
    previous_ = copied(network());
  }

  void state(Archive& a) override {
    SlowLearner::state(a);
    a("previous", previous_);
  }

 private:
  // θ = (1-α) θ_previous + α θ_trained; the new head, which the previous network lacks, stays.
  void consolidate(const Task&, Trainer&) override {
    auto known = network();
    known.resize(previous_.size());
    assign(known, mixed(previous_, copied(known), part_));
  }

  double part_;
  Weights previous_;  // network(); empty before the first task's end
};

LearnerRow coma_learner() {
  return learner_row<Coma>(
      "Marouf et al., ECCV 2024",
      "SLCA whose network is averaged with the previous one after each task.",
      {.task_id_at_train = true, .boundaries = true, .many_passes = true},
      {.epochs = 20,
       .batch_size = 128,
       .optimizer = {.lr = 0.01, .weight_decay = 5e-4, .schedule = "step", .milestones = {18}}});
}

}  // namespace patina
