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
    for (const int64_t c : task.fresh) {
      const Tensor features = rows_of_class(set, c);
      prototypes_.add(features.mean(0), features.size(0));
    }
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return cosine_scores(backbone_.features(asked.input), prototypes_.means);
  }

  // A prototype depends on the samples of its own class only, so no trace of the class remains.
  void forget(int64_t target) override { prototypes_.remove(target); }

  // Sums of two learners' features add up.
  void merge(const Learner& other, const UnitedClasses& classes) override {
    prototypes_.merge(static_cast<const SimpleCil&>(other).prototypes_, classes.numbers,
                      classes.size());
  }

  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.weight = prototypes_.means, .bias = {}, .cosine = true};
  }

  void state(Archive& a) override {
    a("prototypes", prototypes_.means);
    if (!a.loading() || a.holds("counts")) a("counts", prototypes_.counts);
  }

 private:
  Backbone& backbone_;
  CountedMeans prototypes_;
};

LearnerRow simplecil_learner() {
  return learner_row<SimpleCil>(
      {.paper = "Zhou et al., IJCV 2024",
       .about = "Classifies by the cosine to each class's mean feature under the frozen network.",
       .stores = "A prototype and a count a class.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any});
}

}  // namespace patina
