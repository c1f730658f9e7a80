// Averaged GEM: a single random batch from the memories of all earlier tasks gives the constraint.
// Chaudhry et al., "Efficient Lifelong Learning with A-GEM", ICLR 2019.
#include "patina/learners/replay/projection_learner.h"
#include "patina/ops.h"

namespace patina {

class AGem : public ProjectionLearner {
 public:
  struct Options : LearnerOptions, ProjectionOptions {
    int64_t reference_batch = 256;
    void bind(Fields& f) override {
      ProjectionOptions::bind(f);
      f("reference_batch", reference_batch, "Samples of earlier tasks that a step is held against.",
        at_least(1));
    }
  };

  AGem(Setup setup, const Options& options)
      : ProjectionLearner(setup, options, SampleMemory::Policy::reservoir), options_(options) {}

 protected:
  Tensor projected(const Tensor& gradient, const Step& step) override {
    SampleHandles all;
    for (const auto* memory : past()) all.add(memory->samples());
    const auto places = drawn(size_t(options_.reference_batch), size_t(all.size()),
                              seeds()("reference", step.number()));
    return project_agem(gradient, gradient_on(all.at(places), step, 0));
  }

 private:
  Options options_;
};

LearnerRow agem_learner() {
  return learner_row<AGem>(
      {.paper = "Chaudhry et al., ICLR 2019",
       .about = "Takes from every step what goes against a batch of remembered samples.",
       .stores = "The network, a head, and samples of every task.",
       .differs = "The memory is drawn from a whole task; Mammoth's holds its last minibatch only.",
       .needs = {.boundaries = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 10,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
