// FeCAM (Goswami et al., NeurIPS 2023): each class is a Gaussian in the frozen feature space; a
// sample belongs to the class with the smallest Mahalanobis distance, between normalised features
// and under the class's shrunk covariance turned into a correlation matrix.
#include "patina/learn/gaussians.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

class FeCam : public ClosedFormLearner {
 public:
  struct Options : LearnerOptions {
    double shrinkage = 100;
    void bind(Fields& f) override {
      f("shrinkage", shrinkage, "Added to the covariance's diagonal before it is normalised.",
        above(0));
    }
  };

  FeCam(Setup setup, const Options& options) : backbone_(setup.backbone), options_(options) {}

  void fit(const Task& task, Trainer& trainer) override {
    const auto [features, targets] = trainer.features(backbone_, *task.train);
    NoGrad no_grad;
    for (const int64_t c : task.fresh) {
      const auto [mean, covariance] =
          moments(features.index_select(0, (targets == c).nonzero().squeeze(1)));
      classes_.add(nn::normalized(mean.to(at::kFloat).unsqueeze(0)).squeeze(0),
                   correlation(covariance));
    }
  }

  // D_c = uᵀ R_c⁻¹ u with u = f/|f| - μ_c/|μ_c|.
  Tensor scores(const Batch& batch) override {
    NoGrad no_grad;
    return -classes_.squared_distances(nn::normalized(backbone_.features(batch.input)));
  }

  void state(Archive& a) override { a("classes", classes_); }

 private:
  // The correlation matrix R of a shrunk covariance [D,D]. One sample has no covariance: then the
  // shrinkage alone remains.
  Tensor correlation(const Tensor& covariance) const {
    const Tensor shrunk =
        covariance + options_.shrinkage * at::eye(covariance.size(0), at::kDouble);
    const Tensor deviation = shrunk.diagonal().sqrt();
    return shrunk / (deviation.unsqueeze(0) * deviation.unsqueeze(1));
  }

  Backbone& backbone_;
  Options options_;
  Mahalanobis classes_;  // of normalised features
};

LearnerRow fecam_learner() {
  return learner_row<FeCam>("Goswami et al., NeurIPS 2023",
                            "Nearest class mean under each class's own normalised covariance.",
                            {.boundaries = true});
}

}  // namespace patina
