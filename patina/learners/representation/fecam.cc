// FeCAM (Goswami et al., NeurIPS 2023): each class is a Gaussian in the frozen feature space; a
// sample belongs to the class with the smallest Mahalanobis distance, between normalised features
// and under the class's shrunk covariance turned into a correlation matrix.
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
    std::vector<Tensor> means, factors;
    if (means_.defined()) means = {means_}, factors = {factors_};
    for (const int64_t c : task.fresh) {
      const Tensor members =
          features.index_select(0, (targets == c).nonzero().squeeze(1)).to(at::kDouble);
      const Tensor mean = members.mean(0);
      means.push_back(mean.to(at::kFloat).unsqueeze(0));
      factors.push_back(factor(members - mean).unsqueeze(0));
    }
    means_ = at::cat(means);
    factors_ = at::cat(factors);
  }

  // D_c = uᵀ R_c⁻¹ u with u = f/|f| - μ_c/|μ_c|; with R_c = L Lᵀ that is |L⁻¹u|².
  Tensor scores(const Batch& batch) override {
    NoGrad no_grad;
    const Tensor f = nn::normalized(backbone_.features(batch.input));       // [B,D]
    const Tensor u = f.unsqueeze(0) - nn::normalized(means_).unsqueeze(1);  // [K,B,D]
    const Tensor whitened =
        at::linalg_solve_triangular(factors_, u.transpose(1, 2), /*upper=*/false);
    return -whitened.square().sum(1).t();
  }

  void state(Archive& a) override {
    a("means", means_);
    a("factors", factors_);
  }

 private:
  // Cholesky factor of the correlation matrix of centred samples [n,D]. One sample has no
  // covariance: then the shrinkage alone remains.
  Tensor factor(const Tensor& centred) const {
    const double divisor = double(std::max<int64_t>(1, centred.size(0) - 1));
    Tensor covariance = at::matmul(centred.t(), centred) / divisor;
    covariance.diagonal().add_(options_.shrinkage);
    const Tensor deviation = covariance.diagonal().sqrt();
    const Tensor correlation = covariance / (deviation.unsqueeze(0) * deviation.unsqueeze(1));
    return at::linalg_cholesky(correlation).to(at::kFloat);
  }

  Backbone& backbone_;
  Options options_;
  Tensor means_;    // [K,D]
  Tensor factors_;  // [K,D,D], lower triangular
};

LearnerRow fecam_learner() {
  return learner_row<FeCam>("Goswami et al., NeurIPS 2023",
                            "Nearest class mean under each class's own normalised covariance.",
                            {.boundaries = true});
}

}  // namespace patina
