// APER, formerly ADAM (Zhou et al., IJCV 2024): the network is adapted to the first task and
// frozen. Prototypes are class means of the concatenated features of the pre-trained and the
// adapted network; a sample belongs to the class whose prototype has the largest cosine.
#include "patina/algebra/prototypes.h"
#include "patina/learners/representation/first_session.h"
#include "patina/ops.h"

namespace patina {

class Aper : public FirstSessionLearner {
 public:
  struct Options : LearnerOptions, FirstSessionOptions {
    void bind(Fields& f) override { FirstSessionOptions::bind(f); }
  };

  Aper(Setup setup, const Options& options) : FirstSessionLearner(setup, options) {}

  // φ(x) = [f(x), f_adapted(x)]; w_c = mean of φ over the class.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return cosine_scores(both(pretrained(asked.input), adapted(asked.input)), prototypes_);
  }

  void state(Archive& a) override {
    FirstSessionLearner::state(a);
    a("prototypes", prototypes_);
  }

 private:
  void learn(const Task& task, Trainer& trainer) override {
    NoGrad no_grad;
    FeatureSet set = pretrained(*task.train, trainer);
    set.features = both(set.features, adapted(*task.train, trainer).features);
    prototypes_ = with_rows(prototypes_, class_means(set, task.fresh));
  }

  static Tensor both(const Tensor& pretrained, const Tensor& adapted) {
    return at::cat({pretrained, adapted}, 1);
  }

  Tensor prototypes_;  // [K,2D]
};

LearnerRow aper_learner() {
  return learner_row<Aper>(
      {.paper = "Zhou et al., IJCV 2024",
       .about = "Adapts the network to the first task, then classifies by prototypes in the "
                "features of both "
                "networks.",
       .stores = "The adaptation, and a prototype a class of twice the width.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
