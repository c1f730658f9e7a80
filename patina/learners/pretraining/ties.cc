// TIES-Merging (Yadav et al., "TIES-Merging: Resolving Interference When Merging Models",
// NeurIPS 2023) between rounds: of what each round changed, the largest elements are kept, and
// merged where their signs agree with the sum's.
#include "patina/learners/pretraining/task_vectors.h"

namespace patina {

class Ties : public TaskVectorLearner {
 public:
  struct Options : LearnerOptions, TaskVectorOptions, RoundOptions {
    double keep = 0.2;
    void bind(Fields& f) override {
      f("keep", keep, "Part of a task vector's elements that is kept: the largest magnitudes.",
        {.low = 0, .high = 1, .low_open = true});
      TaskVectorOptions::bind(f);
      RoundOptions::bind(f);
    }
  };

  Ties(Setup setup, const Options& options)
      : TaskVectorLearner(setup, options, options), keep_(options.keep) {}

 private:
  Weights merged(const std::vector<Weights>& vectors) const override {
    std::vector<Weights> largest;
    for (const auto& vector : vectors) largest.push_back(trimmed(vector, keep_));
    return of_one_sign(largest);
  }

  double keep_;
};

LearnerRow ties_learner() {
  return task_vector_row<Ties>(
      "Yadav et al., NeurIPS 2023",
      "Merges the largest elements of what each round changed, where their signs agree.");
}

}  // namespace patina
