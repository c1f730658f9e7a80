// Streaming linear discriminant analysis: a running mean per class and one running covariance, on
// features of a frozen network, updated sample by sample in any order. Hayes and Kanan, "Lifelong
// Machine Learning with Deep Streaming Linear Discriminant Analysis", CVPR workshop 2020.
#include "patina/algebra/linear_algebra.h"
#include "patina/base/error.h"
#include "patina/learn/learner.h"
#include "patina/ops.h"

namespace patina {

class Slda : public StreamingLearner {
 public:
  struct Options : LearnerOptions {
    double shrinkage = 1e-4;
    void bind(Fields& f) override {
      f("shrinkage", shrinkage, "The paper's ε: part of the identity in the covariance.",
        {.low = 0, .high = 1, .low_open = true});
    }
  };

  Slda(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        options_(options),
        covariance_(at::zeros({backbone_.width(), backbone_.width()},
                              backbone_.place().options().dtype(at::kDouble))) {}

  void begin_classes(int64_t fresh) override {
    const Tensor more = at::zeros({fresh, backbone_.width()}, covariance_.options());
    means_ = means_.defined() ? at::cat({means_, more}) : more;
    counts_.resize(size_t(means_.size(0)));
    weight_ = Tensor();
  }

  // Σ ← (t Σ + Δ) / (t + 1), Δ = t/(t+1) (z - μ_y)(z - μ_y)ᵀ, then μ_y ← (c_y μ_y + z) / (c_y + 1).
  void observe(const Batch& batch, Trainer&) override {
    NoGrad no_grad;
    const Tensor features = backbone_.features(batch.input).to(at::kDouble);
    const auto targets = items_of(batch.target);
    for (size_t i = 0; i < targets.size(); ++i) {
      const Tensor from_mean = features[int64_t(i)] - means_[targets[i]];
      const double t = double(samples_++);
      covariance_.mul_(t / (t + 1)).addr_(from_mean, from_mean, 1, t / ((t + 1) * (t + 1)));
      means_[targets[i]].add_(from_mean, 1.0 / double(++counts_[size_t(targets[i])]));
    }
    weight_ = Tensor();
  }

  // W = Λ μ, b = -½ μᵀ Λ μ with Λ = ((1 - ε) Σ + ε I)⁻¹. A class without samples scores -inf.
  void before_scores(Trainer&) override {
    if (weight_.defined() || !means_.defined()) return;
    NoGrad no_grad;
    const ShiftedInverse inverse(covariance_ * (1 - options_.shrinkage), options_.shrinkage);
    weight_ = inverse(means_.t());  // [D,K]
    bias_ = (means_.t() * weight_).sum(0) * -0.5;
    bias_.masked_fill_(tensor_of(counts_, bias_.device()) == 0,
                       -std::numeric_limits<double>::infinity());
  }
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return (backbone_.features(asked.input).to(at::kDouble).mm(weight_) + bias_).to(at::kFloat);
  }

  void merge(const Learner&, const UnitedClasses&) override {
    fail(ErrorKind::usage,
         "its covariance takes each sample's deviation from the mean of the samples before it, so "
         "it "
         "depends on their order and is not a sum: learn all samples in one session, or with "
         "recursive_ridge or fecam");
  }

  std::optional<AsNetwork> as_network() const override {
    if (!weight_.defined()) return AsNetwork{};
    return AsNetwork{.weight = weight_.t().to(at::kFloat), .bias = bias_.to(at::kFloat)};
  }

  void state(Archive& a) override {
    a("means", means_);
    a("covariance", covariance_);
    a("counts", counts_);
    a("samples", samples_);
    if (a.loading()) weight_ = Tensor();
  }

 private:
  Backbone& backbone_;
  Options options_;
  Tensor means_;       // [K,D] double
  Tensor covariance_;  // [D,D] double
  std::vector<int64_t> counts_;
  int64_t samples_ = 0;
  Tensor weight_, bias_;  // [D,K], [K]; undefined: not computed yet
};

LearnerRow slda_learner() {
  return learner_row<Slda>(
      {.paper = "Hayes and Kanan, CVPR workshop 2020",
       .about = "Running class means and one running covariance of frozen features, a sample at a "
                "time.",
       .stores = "A mean a class and one covariance.",
       .differs = "The covariance begins at zero, not as that of a first batch.",
       .network = Network::any,
       .training = {.batch_size = 64}});
}

}  // namespace patina
