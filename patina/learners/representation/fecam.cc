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
    if (known_.size() == classes_.classes()) {
      known_.remove(target);
      deviations_ = without_row(deviations_, target);
    }
    classes_.remove(target);
  }

  // A class of both has the moments of both samples; its covariance is read back from the factor of
  // the correlation matrix and the deviations.
  void merge(const Learner& other, const UnitedClasses& classes) override {
    check_unadapted();
    NoGrad no_grad;
    const auto& from = static_cast<const FeCam&>(other);
    const int64_t own = classes_.classes();
    known_.check_counted(own);
    from.known_.check_counted(from.classes_.classes());
    for (size_t c = 0; c < classes.numbers.size(); ++c) {
      const int64_t here = classes.numbers[c], there = int64_t(c);
      if (here >= own) {
        classes_.add(from.classes_, there);
        deviations_ = with_rows(deviations_, from.deviations_.slice(0, there, there + 1).clone());
        continue;
      }
      const int64_t n = known_.counts.at(size_t(here)), m = from.known_.counts.at(c);
      const auto [mean, covariance] = united(moments_of(here), n, from.moments_of(there), m);
      const Tensor widened = shrunk(covariance);
      classes_.set(here, placed(mean), correlation(widened));
      deviations_[here].copy_(widened.diagonal().sqrt());
    }
    known_.merge(from.known_, classes.numbers, classes.size());
  }

  void state(Archive& a) override {
    FirstSessionLearner::state(a);
    a("classes", classes_);
    if (a.loading() && !a.holds("deviations")) return;  // an earlier version's
    a("means", known_.means);
    a("counts", known_.counts);
    a("deviations", deviations_);
  }

 private:
  void learn(const Task& task, Trainer& trainer) override {
    FeatureSet set = adapted(*task.train, trainer);
    NoGrad no_grad;
    if (!pilot()) set.features = normalized(set.features);
    for (const int64_t c : task.fresh) {
      const Tensor rows = rows_of_class(set, c);
      const auto [mean, covariance] = moments(rows);
      const Tensor widened = shrunk(covariance);
      classes_.add(placed(mean), correlation(widened));
      known_.add(mean, rows.size(0));
      deviations_ = with_rows(deviations_, widened.diagonal().sqrt().unsqueeze(0));
    }
  }

  bool pilot() const { return options_.compat == "pilot"; }
  // Where distances are measured from.
  Tensor placed(const Tensor& mean) const { return pilot() ? normalized(mean) : mean; }

  Moments moments_of(int64_t c) const {
    const Tensor d = deviations_[c];
    return {known_.means[c], unshrunk(classes_.covariance(c) * d.outer(d))};
  }

  // Σ + α₁ m I + α₂ o (1 - I), with m and o the means of Σ's diagonal and of its other entries. Its
  // smallest eigenvalue is at least (α₁ - α₂) m.
  Tensor shrunk(const Tensor& covariance) const {
    const int64_t dims = covariance.size(0);
    const Tensor unit = at::eye(dims, covariance.options());
    if (pilot()) return covariance + 100 * unit;
    const Tensor trace = covariance.diagonal().sum();
    const Tensor off = (covariance.sum() - trace) / double(std::max<int64_t>(1, dims * (dims - 1)));
    return covariance + options_.shrinkage / double(dims) * trace * unit +
           options_.off_diagonal_shrinkage * off * (1 - unit);
  }

  // Σ of its shrunk form, whose diagonal has the mean (1 + α₁) m, and whose other entries have the
  // mean (1 + α₂) o.
  Tensor unshrunk(const Tensor& widened) const {
    const int64_t dims = widened.size(0);
    const Tensor unit = at::eye(dims, widened.options());
    if (pilot()) return widened - 100 * unit;
    const double a1 = options_.shrinkage, a2 = options_.off_diagonal_shrinkage;
    const Tensor trace = widened.diagonal().sum() / (1 + a1);
    const Tensor off = (widened.sum() - widened.diagonal().sum()) /
                       (double(std::max<int64_t>(1, dims * (dims - 1))) * (1 + a2));
    return widened - a1 / double(dims) * trace * unit - a2 * off * (1 - unit);
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
  // For merging, with the samples of each class.
  CountedMeans known_;  // double, and not of length one in the form of LAMDA-PILOT
  Tensor deviations_;   // [K,D] double, of the shrunk covariances
};

LearnerRow fecam_learner() {
  return learner_row<FeCam>(
      {.paper = "Goswami et al., NeurIPS 2023",
       .about = "Nearest class mean under each class's own normalised covariance.",
       .stores =
           "A mean, a covariance factor, deviations and a count a class; the adaptation, if there "
           "is one.",
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
