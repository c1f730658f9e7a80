// InfLoRA (Liang and Li, "InfLoRA: Interference-Free Low-Rank Adaptation for Continual Learning",
// CVPR 2024): each task's LoRA reads the main directions of the task's inputs that are outside the
// inputs of earlier tasks, and only its B learns.
#include <algorithm>
#include <cmath>

#include "patina/algebra/subspace.h"
#include "patina/learners/instruction/confined_lora.h"
#include "patina/ops.h"

namespace patina {

class InfLora : public ConfinedLora {
 public:
  struct Options : LearnerOptions {
    double energy = 0.95, last_energy = 1;
    int64_t tasks = 10;
    adapt::LoraOptions lora{.rank = 10, .alpha = 10, .parts = "kv"};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      const Range part{.low = 0, .high = 1, .low_open = true};
      f("energy", energy,
        "The part of the first task's inputs (of the squares of their second moment) that later "
        "tasks may not change.",
        part);
      f("last_energy", last_energy, "The part that it rises to, task by task.", part);
      f("tasks", tasks, "The number of tasks over which it rises.", at_least(1));
      lora.bind(f);
      loss.bind(f);
    }
  };

  InfLora(Setup setup, const Options& options)
      : ConfinedLora(setup, options.lora, options.loss), options_(options) {}

 protected:
  // A = U_rᵀ / √3 of C - M Mᵀ C, with C the second moment of the task's inputs and M the earlier
  // tasks' subspace.
  std::vector<Tensor> directions(const Task& task, Trainer& trainer) override {
    const InputMoments inputs = moments(task, trainer);
    std::vector<Tensor> all;
    for (const auto& update : updates()) {
      const Tensor moment = inputs.of(update);
      const Tensor rest = outside_rows(moment, bases()[all.size()]);
      all.push_back(leading_rows(rest, options_.lora.rank, moment.norm().item<double>()) /
                    std::sqrt(3.0));
    }
    return all;
  }

  double energy(const Task& task) const override {
    const double risen = std::min(1.0, double(task.index) / double(options_.tasks));
    return options_.energy + (options_.last_energy - options_.energy) * risen;
  }

 private:
  Options options_;
};

LearnerRow inflora_learner() {
  return learner_row<InfLora>(
      {.paper = "Liang and Li, CVPR 2024",
       .about = "Gives every task a LoRA that reads only directions outside the inputs of earlier "
                "tasks; their sum answers.",
       .stores = "A LoRA a task, and the subspaces of earlier inputs.",
       .differs =
           "The subspace is kept as it is, not as its complement where that is smaller: the "
           "same space in more memory. The authors' code keeps the wrong one of the two when "
           "the first task fills more than half of it.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adam", .lr = 5e-4, .schedule = "cosine"}}});
}

}  // namespace patina
