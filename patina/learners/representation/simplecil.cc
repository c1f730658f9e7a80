// SimpleCIL (Zhou et al., IJCV 2024): the frozen network's mean feature of each class is its
// prototype, and a sample belongs to the class whose prototype has the largest cosine. Nothing is
// trained.
#include "patina/algebra/prototypes.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

class SimpleCil : public ClosedFormLearner {
 public:
  struct Options : LearnerOptions {};

  SimpleCil(Setup setup, const Options&) : backbone_(setup.backbone) {}

  // w_c = mean of f(x) over the class: un-normalised features, test transform.
  void fit(const Task& task, Trainer& trainer) override {
    const FeatureSet set = trainer.features(backbone_, *task.train);
    prototypes_ = with_rows(prototypes_, class_means(set, task.fresh));
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return cosine_scores(backbone_.features(asked.input), prototypes_);
  }

  // A prototype depends on the samples of its own class only, so no trace of the class remains.
  void forget(int64_t target) override { prototypes_ = without_row(prototypes_, target); }

  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.weight = prototypes_, .bias = {}, .cosine = true};
  }

  void state(Archive& a) override { a("prototypes", prototypes_); }

 private:
  Backbone& backbone_;
  Tensor prototypes_;  // [K,D]
};

LearnerRow simplecil_learner() {
  return learner_row<SimpleCil>(
      {.paper = "Zhou et al., IJCV 2024",
       .about = "Classifies by the cosine to each class's mean feature under the frozen network.",
       .stores = "A prototype a class.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any});
}

}  // namespace patina
