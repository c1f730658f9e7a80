// ER with asymmetric cross-entropy: for new samples only the classes of their batch compete, so
// that they do not displace the features of earlier classes; for memory samples all classes do.
// Caccia et al., "New Insights on Reducing Abrupt Representation Change in Online Continual
// Learning", ICLR 2022.
#include <limits>

#include "patina/learners/replay/replay_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class ErAce : public ReplayLearner {
 public:
  struct Options : LearnerOptions, ReplayOptions {
    void bind(Fields& f) override { ReplayOptions::bind(f); }
  };

  ErAce(Setup setup, const Options& options) : ReplayLearner(setup, options) {}

  // L = CE over the batch's classes + CE of memory samples over all (equation 3 of the paper).
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor outputs = this->outputs(batch.input);
    Tensor absent = at::ones({outputs.size(1)}, outputs.options().dtype(at::kBool));
    absent.index_fill_(0, batch.target, 0);
    Tensor now = nn::cross_entropy(
        competing(outputs, batch.target)
            .masked_fill(absent.unsqueeze(0), -std::numeric_limits<double>::infinity()),
        batch.target);
    if (memory().size() == 0) return now;
    return now + NetworkLearner::loss(replay(batch.size(), step).batch, step);
  }
};

LearnerRow er_ace_learner() {
  return learner_row<ErAce>(
      {.paper = "Caccia et al., ICLR 2022",
       .about = "Replay in which new samples compete among the classes of their batch only.",
       .stores = "The network, a head, and the memory's samples.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 10,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
