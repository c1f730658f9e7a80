// Visual questions (Antol et al., "VQA: Visual Question Answering", ICCV 2015): a head of two
// layers reads what frozen towers make of an image and of a question, and its scores are those of
// the answers. Here it is trained on one task after the other, without any measure against
// forgetting.
#include "patina/learners/two_tower/fusion_learner.h"

namespace patina {

class Fusion : public FusionLearner {
 public:
  struct Options : LearnerOptions, FusionOptions {
    void bind(Fields& f) override { FusionOptions::bind(f); }
  };

  Fusion(Setup setup, const Options& options) : FusionLearner(setup, options) {}
};

LearnerRow fusion_learner() {
  return learner_row<Fusion>(
      {.paper = "Antol et al., ICCV 2015",
       .about =
           "Trains a head of two layers on the fused features of images and questions, on each "
           "task in turn, and does nothing about forgetting.",
       .stores = "The head.",
       .differs = "The paper is not about continual learning, and its head reads the product of an "
                  "image's and a question's feature alone, through tanh and with dropout.",
       .network = kQuestions,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
