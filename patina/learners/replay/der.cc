// DER: every task adds a network of its own, which begins as the one before; earlier ones stay as
// they are, and one head reads the features of all.
// Yan, Xie and He, "DER: Dynamically Expandable Representation for Class Incremental Learning",
// CVPR 2021.
#include "patina/learn/network/expanding_learner.h"

namespace patina {

class Der : public ExpandingLearner {
 public:
  struct Options : LearnerOptions, ExpandingOptions {
    void bind(Fields& f) override { ExpandingOptions::bind(f); }
  };

  Der(Setup setup, const Options& options) : ExpandingLearner(setup, options) {}

 private:
  std::unique_ptr<Backbone> kept() const override {
    auto network = newest().clone();
    nn::freeze(*network);
    return network;
  }
  void state_of(Archive& a, const std::string& key, Backbone& network) override { a(key, network); }
  void unfreeze(Backbone& newest) override { nn::freeze(newest, false); }
};

LearnerRow der_learner() {
  return learner_row<Der>(
      {.paper = "Yan et al., CVPR 2021",
       .about = "Adds a network for every task, and a head over the features of all.",
       .stores = "A network for every task, a head, the memory's samples.",
       .differs = "Nothing is pruned, as in LAMDA-PILOT.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 32,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
