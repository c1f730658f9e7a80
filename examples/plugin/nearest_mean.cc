// A learner outside patina's tree: the class whose mean feature is nearest, under the frozen
// network.
#include "patina/algebra/prototypes.h"
#include "patina/learners/plugin.h"
#include "patina/ops.h"

namespace {

using namespace patina;

class NearestMean : public ClosedFormLearner {
 public:
  struct Options : LearnerOptions {
    double sharpness = 1;
    void bind(Fields& f) override {
      f("sharpness", sharpness, "Factor of the squared distances in scores.", above(0));
    }
  };

  NearestMean(Setup setup, const Options& options)
      : backbone_(setup.backbone), sharpness_(options.sharpness) {}

  void fit(const Task& task, Trainer& trainer) override {
    const FeatureSet set = trainer.features(backbone_, *task.train);
    means_ = with_rows(means_, class_means(set, task.fresh));
  }

  // -sharpness |f - w_c|²
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor features = backbone_.features(asked.input);           // [B,D]
    const Tensor apart = features.unsqueeze(1) - means_.unsqueeze(0);  // [B,K,D]
    return apart.square().sum(-1) * -sharpness_;
  }

  void state(Archive& a) override { a("means", means_); }

 private:
  Backbone& backbone_;
  double sharpness_;
  Tensor means_;  // [K,D]
};

}  // namespace

PATINA_PLUGIN(learners) {
  learners.add("nearest_mean",
               learner_row<NearestMean>(
                   {.paper = "An example",
                    .about = "Classifies by the nearest mean feature under the frozen network.",
                    .stores = "A mean a class.",
                    .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
                    .network = Network::any}));
}
