// Gradient episodic memory: a step must not increase the loss on the memory of any earlier task;
// the gradient is projected onto the nearest one that satisfies this. Lopez-Paz and Ranzato,
// "Gradient Episodic Memory for Continual Learning", NeurIPS 2017.
#include "patina/learners/replay/projection_learner.h"
#include "patina/ops.h"

namespace patina {

class Gem : public ProjectionLearner {
 public:
  struct Options : LearnerOptions, ProjectionOptions {
    double margin = 0.5;
    void bind(Fields& f) override {
      ProjectionOptions::bind(f);
      f("margin", margin,
        "The paper's γ: least weight of every earlier task's gradient in a projected step, which "
        "favours backward transfer.",
        at_least(0));
    }
  };

  Gem(Setup setup, const Options& options)
      : ProjectionLearner(setup, options, SampleMemory::Policy::ring), margin_(options.margin) {}

 protected:
  Tensor projected(const Tensor& gradient, const Step& step) override {
    std::vector<Tensor> rows;
    for (const auto* memory : past())
      rows.push_back(gradient_on(memory->samples(), step, rows.size()));
    return project_gem(gradient, at::stack(rows), margin_);
  }

 private:
  double margin_;
};

LearnerRow gem_learner() {
  return learner_row<Gem>(
      {.paper = "Lopez-Paz and Ranzato, NeurIPS 2017",
       .about = "Projects every step so that it raises the loss of no earlier task's memory.",
       .stores = "The network, a head, and the last samples of every task.",
       .needs = {.task_id_at_train = true, .boundaries = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 10,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
