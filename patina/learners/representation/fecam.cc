// FeCAM (Goswami et al., NeurIPS 2023): each class is a Gaussian in the frozen feature space; a
// sample belongs to the class with the smallest Mahalanobis distance, between normalised features
// and with the correlation matrix of the class's shrunk covariance. The network is adapted to the
// first task before, as in APER.
#include "patina/algebra/gaussians.h"
#include "patina/algebra/prototypes.h"
#include "patina/learners/representation/first_session.h"
#include "patina/ops.h"

namespace patina {

class FeCam : public FirstSessionLearner {
 public:
  struct Options : LearnerOptions, FirstSessionOptions {
    double shrinkage = 100;
    void bind(Fields& f) override {
      FirstSessionOptions::bind(f);
      f("shrinkage", shrinkage, "Added to the covariance's diagonal before it is normalised.",
        above(0));
    }
  };

  FeCam(Setup setup, const Options& options)
      : FirstSessionLearner(setup, options), shrinkage_(options.shrinkage) {}

  // D_c = uᵀ R_c⁻¹ u with u = f/|f| - μ_c/|μ_c|.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return -classes_.squared_distances(normalized(adapted(asked.input)));
  }

  void state(Archive& a) override {
    FirstSessionLearner::state(a);
    a("classes", classes_);
  }

 private:
  void learn(const Task& task, Trainer& trainer) override {
    const FeatureSet set = adapted(*task.train, trainer);
    NoGrad no_grad;
    for (const int64_t c : task.fresh) {
      const auto [mean, covariance] = moments(rows_of_class(set, c));
      classes_.add(normalized(mean.to(at::kFloat).unsqueeze(0)).squeeze(0),
                   correlation(covariance));
    }
  }

  // The correlation matrix R of a shrunk covariance [D,D]. For a single sample only the shrinkage
  // remains.
  Tensor correlation(const Tensor& covariance) const {
    const Tensor shrunk =
        covariance + shrinkage_ * at::eye(covariance.size(0), covariance.options());
    const Tensor deviation = shrunk.diagonal().sqrt();
    return shrunk / (deviation.unsqueeze(0) * deviation.unsqueeze(1));
  }

  double shrinkage_;
  Mahalanobis classes_;  // of normalised features
};

LearnerRow fecam_learner() {
  return learner_row<FeCam>(
      {.paper = "Goswami et al., NeurIPS 2023",
       .about = "Nearest class mean under each class's own normalised covariance.",
       .stores = "The adaptation; a mean and a covariance factor a class.",
       .differs = "Distances come from Cholesky factors. Other implementations use "
                  "pseudo-inverses; the matrices are positive definite, so both give the same.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
