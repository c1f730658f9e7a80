// FeCAM (Goswami et al., NeurIPS 2023): each class is a Gaussian in the frozen feature space; a
// sample belongs to the class with the smallest Mahalanobis distance, under the correlation matrix
// of the class's shrunk covariance. As in the authors' experiments with ViTs, the network is not
// adapted, and features have length one before their means and covariances are taken.
#include "patina/algebra/gaussians.h"
#include "patina/algebra/prototypes.h"
#include "patina/learners/representation/first_session.h"
#include "patina/ops.h"

namespace patina {

class FeCam : public FirstSessionLearner {
 public:
  struct Options : LearnerOptions, FirstSessionOptions {
    double shrinkage = 1;
    double off_diagonal_shrinkage = 0;
    std::string compat = "paper";
    Options() { adaptation = "none"; }
    void bind(Fields& f) override {
      FirstSessionOptions::bind(f);
      f("shrinkage", shrinkage,
        "Of the covariance's mean diagonal, added to its diagonal (alpha 1); the paper's "
        "ImageNet-R: 10.",
        above(0));
      f("off_diagonal_shrinkage", off_diagonal_shrinkage,
        "Of the mean of the other entries, added to those (alpha 2); the paper's ImageNet-R: 10.",
        at_least(0));
      f("compat", compat,
        "\"pilot\": features keep their length and 100 is added to the diagonal, in the place of "
        "both, as in LAMDA-PILOT, which also adapts to the first task (adaptation = \"adapter\").",
        {"paper", "pilot"});
      f.require(off_diagonal_shrinkage <= shrinkage, "off_diagonal_shrinkage",
                "must not be above shrinkage, or covariances may not be positive definite");
    }
  };

  FeCam(Setup setup, const Options& options)
      : FirstSessionLearner(setup, options), options_(options) {}

  // D_c = uᵀ R_c⁻¹ u with u = f/|f| - μ_c.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return -classes_.squared_distances(normalized(adapted(asked.input)));
  }

  // A class can be forgotten only without an adaptation, which depends on all classes of the first
  // task.
  void forget(int64_t target) override {
    if (adapts()) return FirstSessionLearner::forget(target);
    classes_.remove(target);
  }

  void state(Archive& a) override {
    FirstSessionLearner::state(a);
    a("classes", classes_);
  }

 private:
  void learn(const Task& task, Trainer& trainer) override {
    FeatureSet set = adapted(*task.train, trainer);
    NoGrad no_grad;
    const bool pilot = options_.compat == "pilot";
    if (!pilot) set.features = normalized(set.features);
    for (const int64_t c : task.fresh) {
      const auto [mean, covariance] = moments(rows_of_class(set, c));
      classes_.add(pilot ? normalized(mean) : mean, correlation(shrunk(covariance)));
    }
  }

  // Σ + α₁ m I + α₂ o (1 - I), with m and o the means of Σ's diagonal and of its other entries. Its
  // smallest eigenvalue is at least (α₁ - α₂) m.
  Tensor shrunk(const Tensor& covariance) const {
    const int64_t dims = covariance.size(0);
    const Tensor unit = at::eye(dims, covariance.options());
    if (options_.compat == "pilot") return covariance + 100 * unit;
    const Tensor trace = covariance.diagonal().sum();
    const Tensor off = (covariance.sum() - trace) / double(std::max<int64_t>(1, dims * (dims - 1)));
    return covariance + options_.shrinkage / double(dims) * trace * unit +
           options_.off_diagonal_shrinkage * off * (1 - unit);
  }

  // The correlation matrix of a covariance; the unit matrix if that is zero, as it is for a class
  // of a single sample.
  static Tensor correlation(const Tensor& covariance) {
    const Tensor deviation = covariance.diagonal().sqrt();
    if (deviation.max().item<double>() == 0)
      return at::eye(covariance.size(0), covariance.options());
    return covariance / (deviation.unsqueeze(0) * deviation.unsqueeze(1));
  }

  Options options_;
  Mahalanobis classes_;  // of features of length one
};

LearnerRow fecam_learner() {
  return learner_row<FeCam>(
      {.paper = "Goswami et al., NeurIPS 2023",
       .about = "Nearest class mean under each class's own normalised covariance.",
       .stores = "A mean and a covariance factor a class; the adaptation, if there is one.",
       .differs = "As in the authors' experiments with ViTs the network stays frozen, features are "
                  "of length one before their covariances are taken, and shrinkage is relative to "
                  "the covariance. LAMDA-PILOT adapts the network to the first task and adds 100 "
                  "to the variances of features that keep their length, which leaves little of "
                  "the covariances: `compat = \"pilot\"` and `adaptation = \"adapter\"`. "
                  "Distances come from Cholesky factors. Other implementations use "
                  "pseudo-inverses; the matrices are positive definite, so both give the same.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
