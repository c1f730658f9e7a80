// CoFiMA (Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024): CoMA
// with interpolation weighted by each weight's diagonal Fisher information, which measures how much
// the loss of its task depends on that weight.
#include "patina/learners/mixture/coma.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/nn/losses.h"

namespace patina {

class Cofima : public Coma {
 public:
  struct Options : LearnerOptions, ComaOptions {
    FisherOptions fisher{.granularity = "batch", .clip = 1e-4};
    void bind(Fields& f) override {
      ComaOptions::bind(f);
      f.section("fisher", fisher, "How much each weight counts.");
    }
  };

  Cofima(Setup setup, const Options& options)
      : Coma(setup, options), fisher_options_(options.fisher) {}

  void state(Archive& a) override {
    Coma::state(a);
    a("fisher", fisher_);
  }

 private:
  // θ = ((1-α) F₀ θ₀ + α F₁ θ₁) / ((1-α) F₀ + α F₁), with θ₀ the previous network, θ₁ the one
  // trained on the task, and F the Fisher information of cross-entropy over all classes seen.
  Weights averaged(const Weights& previous, const Weights& trained, const Task& task,
                   Trainer& trainer) override {
    Weights fisher =
        diagonal_fisher(fisher_options_, network(), *task.train, trainer,
                        seeds()("fisher", uint64_t(task.index)), [this](const Batch& batch) {
                          return nn::cross_entropy(heads()(features(batch.input)), batch.target);
                        });
    const Weights known(fisher.begin(), fisher.begin() + int64_t(trained.size()));
    const Weights old = std::exchange(fisher_, std::move(fisher));
    return fisher_mixed(previous, old, trained, known, part());
  }

  FisherOptions fisher_options_;
  Weights fisher_;  // of network(), after the last task; empty before the end of the first
};

LearnerRow cofima_learner() {
  return learner_row<Cofima>(
      {.paper = "Marouf et al., ECCV 2024",
       .about =
           "SLCA whose network is averaged with the previous one, weight by weight by their Fisher "
           "information.",
       .stores = "As SLCA, the previous network, and the information of every weight.",
       .differs = "A head that the previous network lacks stays as trained; the authors' code "
                  "multiplies it by its information, which is nearly zero. Where neither network "
                  "has any, they are averaged: the formula says 0 / 0.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = slca_training()});
}

}  // namespace patina
