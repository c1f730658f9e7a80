// MoRAM ("Mixture of Rank-1 Associative Memory Experts", arXiv 2506.21035, ICML 2026): every row of
// a LoRA's A with its column of B is an atom, and every token chooses the atoms of all tasks whose
// keys it is nearest to. There is no router, and no task needs to be known.
#include "patina/adapt/routed_lora.h"
#include "patina/learners/instruction/lora_per_task.h"

namespace patina {

class Moram : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    adapt::AtomOptions atoms;
    adapt::LoraOptions lora{.rank = 8, .alpha = 8, .parts = "qv"};
    void bind(Fields& f) override {
      atoms.bind(f);
      lora.bind(f);
    }
  };

  Moram(Setup setup, const Options& options)
      : LoraPerTask(setup, options.lora), options_(options) {}

  nn::Adaptations adaptations(const Input&) const override {
    return options_.atoms.of(loras(), /*learning=*/false);
  }

 protected:
  nn::Adaptations while_learning(const Input&) const override {
    return options_.atoms.of(loras(), /*learning=*/true);
  }

 private:
  Options options_;
};

LearnerRow moram_learner() {
  return learner_row<Moram>(
      {.paper = "arXiv 2506.21035, ICML 2026",
       .about = "Gives every task rank-1 atoms, of which each token chooses those of all tasks "
                "whose keys it is nearest to.",
       .stores = "A LoRA a task.",
       .differs = "All tasks have the same number of epochs; the authors set it for each.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 2,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adamw", .lr = 5e-4, .schedule = "cosine"}}});
}

}  // namespace patina
