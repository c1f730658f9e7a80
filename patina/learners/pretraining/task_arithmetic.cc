// Task arithmetic (Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023) between
// rounds: the network is the pre-trained one plus the scaled sum of what each round changed.
#include "patina/learners/pretraining/task_vectors.h"

namespace patina {

class TaskArithmetic : public TaskVectorLearner {
 public:
  struct Options : LearnerOptions, TaskVectorOptions, RoundOptions {
    Options() { scale = 0.4; }
    void bind(Fields& f) override {
      TaskVectorOptions::bind(f);
      RoundOptions::bind(f);
    }
  };

  TaskArithmetic(Setup setup, const Options& options)
      : TaskVectorLearner(setup, options, options) {}

 private:
  Weights merged(const std::vector<Weights>& vectors) const override { return summed(vectors); }
};

LearnerRow task_arithmetic_learner() {
  return task_vector_row<TaskArithmetic>(
      "Ilharco et al., ICLR 2023",
      "Adds the scaled sum of what each round changed to the pre-trained weights.");
}

}  // namespace patina
