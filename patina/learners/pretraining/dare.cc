// DARE (Yu et al., "Language Models are Super Mario: Absorbing Abilities from Homologous Models
// as a Free Lunch", ICML 2024) between rounds: most of what each round changed is dropped at
// random, the rest is scaled up for it, and the sum is added to the pre-trained weights.
#include "patina/learners/pretraining/task_vectors.h"

namespace patina {

class Dare : public TaskVectorLearner {
 public:
  struct Options : LearnerOptions, TaskVectorOptions, RoundOptions {
    double drop = 0.9;
    Options() { scale = 0.4; }
    void bind(Fields& f) override {
      f("drop", drop, "Probability with which an element of a task vector is dropped.",
        {.low = 0, .high = 1, .high_open = true});
      TaskVectorOptions::bind(f);
      RoundOptions::bind(f);
    }
  };

  Dare(Setup setup, const Options& options)
      : TaskVectorLearner(setup, options, options), drop_(options.drop), seeds_(setup.seeds) {}

 private:
  Weights merged(const std::vector<Weights>& vectors) const override {
    std::vector<Weights> rest;
    for (size_t i = 0; i < vectors.size(); ++i)
      rest.push_back(dropped(vectors[i], drop_, seeds_("dare", uint64_t(i))));
    return summed(rest);
  }

  double drop_;
  Seeds seeds_;
};

LearnerRow dare_learner() {
  return task_vector_row<Dare>("Yu et al., ICML 2024",
                               "Drops most of what each round changed at random, scales up the "
                               "rest, and adds the sum to the pre-trained weights.");
}

}  // namespace patina
