// RanPAC (McDonnell et al., NeurIPS 2023): the network is adapted to the first task and frozen. A
// fixed random projection and a ReLU expand its features; in the wider space a ridge regression
// onto one-hot targets, with sums updated at every task, separates classes that overlap in feature
// space. Scores are linear, as in the paper.
#include <algorithm>
#include <cmath>

#include "patina/algebra/linear_algebra.h"
#include "patina/algebra/random_projection.h"
#include "patina/algebra/ridge.h"
#include "patina/config/sizes.h"
#include "patina/learners/representation/first_session.h"
#include "patina/ops.h"

namespace patina {

class RanPac : public FirstSessionLearner {
 public:
  struct Options : LearnerOptions, FirstSessionOptions {
    int64_t projection = 10000;
    int64_t grid_low = -8;
    int64_t grid_high = 8;
    double held_out = 0.2;
    std::string compat = "paper";
    void bind(Fields& f) override {
      FirstSessionOptions::bind(f);
      f("projection", projection,
        "Width M of the random projection; 0: none, ridge on the features.", sized(0));
      f("grid_low", grid_low, "Smallest penalty tried, as a power of ten.", between(-12, 12));
      f("grid_high", grid_high, "Largest penalty tried, as a power of ten.", between(-12, 12));
      f("held_out", held_out, "Part of a task's samples that chooses the penalty.",
        {.low = 0, .high = 0.9, .low_open = true});
      f("compat", compat,
        "\"pilot\": the weights are used as a cosine head's, as LAMDA-PILOT does.",
        {"paper", "pilot"});
      f.require(grid_low <= grid_high, "grid_low", "must not be above grid_high");
    }
  };

  RanPac(Setup setup, const Options& options)
      : FirstSessionLearner(setup, options),
        options_(options),
        project_(setup.backbone.width(), options.projection, setup.seeds("projection"),
                 setup.backbone.place()) {}

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor h = project_(adapted(asked.input));
    if (options_.compat == "pilot") return cosine_scores(h, weights_.t());
    return at::matmul(h, weights_);
  }

  // The penalty is the larger one: it was chosen for fewer samples than there are now.
  void merge(const Learner& other, const UnitedClasses& classes) override {
    check_unadapted();
    const auto& from = static_cast<const RanPac&>(other);
    penalty_ = ridge_.samples() > 0 ? std::max(penalty_, from.penalty_) : from.penalty_;
    ridge_.merge(from.ridge_, classes.numbers, classes.size());
    weights_ = ridge_.solve(penalty_);
  }

  std::optional<AsNetwork> as_network() const override {
    if (adapts() || !weights_.defined()) return std::nullopt;
    return AsNetwork{.weight = weights_.t(),
                     .bias = {},
                     .projection = project_.matrix(),
                     .cosine = options_.compat == "pilot"};
  }

  void state(Archive& a) override {
    FirstSessionLearner::state(a);
    a("ridge", ridge_);
    a("weights", weights_);
    a("penalty", penalty_);
  }

 private:
  void learn(const Task& task, Trainer& trainer) override {
    const auto [features, targets] = adapted(*task.train, trainer);
    NoGrad no_grad;
    const Tensor h = project_(features);
    const int64_t classes = int64_t(task.seen.size());
    ridge_.add(h, targets, classes);
    penalty_ = best_penalty(h, targets, task.index);
    weights_ = ridge_.solve(penalty_);
  }

  // Fits on the first samples of the task in random order, and selects the penalty with the
  // smallest squared error on the rest.
  double best_penalty(const Tensor& h, const Tensor& targets, int task) const {
    std::vector<double> grid;
    for (int64_t power = options_.grid_low; power <= options_.grid_high; ++power)
      grid.push_back(std::pow(10.0, double(power)));
    const int64_t samples = h.size(0);
    const int64_t fitted = int64_t(double(samples) * (1 - options_.held_out));
    if (fitted < 1 || fitted == samples) return 1;
    const Tensor order =
        tensor_of(seeds()("held_out", uint64_t(task)).permutation(samples), h.device());
    return choose_penalty(grid, trial(h, targets, order, fitted));
  }

  // Only the task's own classes: for every other one both outputs and predictions are zero.
  RidgeTrial trial(const Tensor& h, const Tensor& targets, const Tensor& order,
                   int64_t fitted) const {
    const Tensor all = at::one_hot(targets.index_select(0, order)).to(at::kDouble);
    const Tensor outputs = all.index_select(1, all.sum(0).nonzero().squeeze(1));
    if (fitted >= h.size(1)) return RidgeTrial::primal(h.index_select(0, order), outputs, fitted);
    const Tensor kernel =
        ridge_.dual() ? ridge_.last_kernel(h.size(0)) : symmetric_product(h, at::kFloat);
    return RidgeTrial::dual(kernel.index_select(0, order).index_select(1, order), outputs, fitted);
  }

  Options options_;
  RandomProjection project_;
  RidgeStatistics ridge_;
  Tensor weights_;  // [M,K]
  double penalty_ = 1;
};

LearnerRow ranpac_learner() {
  return learner_row<RanPac>(
      {.paper = "McDonnell et al., NeurIPS 2023",
       .about =
           "Ridge regression on a fixed random projection of frozen features, summed over tasks.",
       .stores = "The adaptation, the regression's weights and its sums or, while samples are "
                 "fewer than dimensions, the projected samples and their products. The projection "
                 "is drawn from the seed again.",
       .differs = "Scores are linear, as in the paper. LAMDA-PILOT uses the weights as a cosine "
                  "head's: `compat = \"pilot\"`. Penalties are compared through one factorisation, "
                  "which gives what separate solutions give.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20, .batch_size = 48, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
