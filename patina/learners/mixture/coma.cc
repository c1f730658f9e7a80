// CoMA (Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024): SLCA,
// with the trained network averaged with the previous one before class Gaussians are computed and
// heads aligned. The previous network is the one used for scoring, with aligned heads.
#include "patina/learners/mixture/coma.h"

namespace patina {

void ComaOptions::bind(Fields& f) {
  SlcaOptions::bind(f);
  f("part", part, "Of the network that the task trained, in the average.", between(0, 1));
}

Coma::Coma(Setup setup, const ComaOptions& options) : Slca(setup, options), part_(options.part) {}

void Coma::end_task(const Task& task, Trainer& trainer) {
  Slca::end_task(task, trainer);
  previous_ = copied(network());
}

// A head that the previous network does not have stays as trained.
void Coma::consolidate(const Task& task, Trainer& trainer) {
  auto known = network();
  known.resize(previous_.size());
  assign(known, averaged(previous_, weights_of(known), task, trainer));
}

// θ = (1-α) θ_previous + α θ_trained.
Weights Coma::averaged(const Weights& previous, const Weights& trained, const Task&, Trainer&) {
  return mixed(previous, trained, part_);
}

void Coma::state(Archive& a) {
  Slca::state(a);
  a("previous", previous_);
}

LearnerRow coma_learner() {
  return learner_row<Coma>(
      {.paper = "Marouf et al., ECCV 2024",
       .about = "SLCA whose network is averaged with the previous one after each task.",
       .stores = "As SLCA, and the previous network.",
       .differs = "A head that the previous network lacks stays as trained.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = slca_training()});
}

}  // namespace patina
