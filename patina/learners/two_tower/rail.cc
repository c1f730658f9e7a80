// RAIL (Xu et al., "Advancing Cross-domain Discriminability in Continual Learning of
// Vision-Language Models", NeurIPS 2024): ridge regression from CLIP's image features to the
// classes, over random features (primal) or a Gaussian kernel (dual), which is exact however the
// samples are divided into tasks. The zero-shot classifier decides whether an image is of a learned
// class; if so, both answers are mixed, otherwise its own stands.
#include <algorithm>
#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/algebra/kernel_ridge.h"
#include "patina/algebra/ridge.h"
#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

class Rail : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    std::string form = "primal";
    int64_t projection = 15000;
    double penalty = 0.1;
    double gamma = 0.1;
    double kernel_penalty = 1e-3;
    double part = 0.8;
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      f("form", form,
        "Regression over random features (primal), or over the kernel of all samples (dual), which "
        "keeps n²/2 numbers for n samples.",
        {"primal", "dual"});
      f("projection", projection, "Primal: random features ReLU(f R).", sized(1));
      f("penalty", penalty, "Primal: the ridge's λ.", above(0));
      f("gamma", gamma, "Dual: γ of the kernel exp(-γ |x-y|²).", above(0));
      f("kernel_penalty", kernel_penalty, "Dual: the ridge's λ.", above(0));
      f("part", part, "Of the regression in the scores; the rest is the zero-shot classifier's.",
        between(0, 1));
    }
  };

  Rail(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {}),
        options_(options),
        kernel_(options.gamma, options.kernel_penalty) {
    if (dual()) return;
    matrix_ = at::empty({clip().width(), options.projection});
    Random random = seeds()("projection");
    nn::init_uniform(matrix_, random, 1 / std::sqrt(double(clip().width())));
    matrix_ = on(clip().place().device, matrix_);
  }

  void fit(const Task& task, Trainer& trainer) override {
    const FeatureSet set = trainer.features(clip(), *task.train);
    NoGrad no_grad;
    const Tensor f = normalized(set.features);
    const auto own = own_names();
    learned_ = int64_t(own.size());
    // A class is its name: domains whose classes have numbers of their own share it.
    std::vector<int64_t> places;
    for (const auto& name : names()) places.push_back(std::ranges::find(own, name) - own.begin());
    const Tensor targets = tensor_of(places, f.device()).index_select(0, set.targets);
    if (dual()) {
      kernel_.add(f, targets, learned_);
    } else {
      ridge_.add(projected(f), targets, learned_);
      weights_ = ridge_.solve(options_.penalty);
    }
    changed();
  }

  // A session's classes differ in their names, so that each is an output.
  void merge(const Learner& other, const UnitedClasses& classes) override {
    const auto& from = static_cast<const Rail&>(other);
    NoGrad no_grad;
    learned_ = classes.size();
    if (dual()) {
      kernel_.merge(from.kernel_, classes.numbers, learned_);
    } else {
      ridge_.merge(from.ridge_, classes.numbers, learned_);
      weights_ = ridge_.solve(options_.penalty);
    }
    take(classes);
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("learned", learned_);
    if (dual()) {
      a("kernel", kernel_);
    } else {
      a("ridge", ridge_);
      a("weights", weights_);
    }
  }

 private:
  bool dual() const { return options_.form == "dual"; }
  Tensor projected(const Tensor& f) const { return at::relu(at::matmul(f, matrix_)); }

  // The names of the classes seen, each once.
  std::vector<std::string> own_names() const {
    std::vector<std::string> own;
    for (const auto& name : names())
      if (std::ranges::find(own, name) == own.end()) own.push_back(name);
    return own;
  }

  // p = softmax(τ cos(f, t)); where argmax p is a learned class: (1 - β) p + β r(f), with r = 0 for
  // classes that are not; elsewhere p.
  Classifier classifier(const std::vector<std::string>& names) const override {
    const Tensor texts = text_features(names);
    if (learned_ == 0)
      return [this, texts](const Question& asked) {
        return at::softmax(clip().similarity(clip().features(asked.input), texts), 1);
      };
    const auto own = own_names();
    std::vector<int64_t> places;  // the last is of those not learned
    for (const auto& name : names)
      places.push_back(std::min<int64_t>(std::ranges::find(own, name) - own.begin(), learned_));
    const Tensor place = tensor_of(places, texts.device());
    return [this, texts, place](const Question& asked) {
      const Tensor f = normalized(clip().features(asked.input));
      const Tensor p = at::softmax(clip().similarity(f, texts), 1);
      const Tensor r = dual() ? kernel_(f) : at::matmul(projected(f), weights_);
      const Tensor known = at::cat({r, at::zeros({r.size(0), 1}, r.options())}, 1);
      const Tensor mixed = at::lerp(p, known.index_select(1, place), options_.part);
      const Tensor of_learned = place.index_select(0, p.argmax(1)) < learned_;
      return at::where(of_learned.unsqueeze(1), mixed, p);
    };
  }

  Options options_;
  Tensor matrix_;  // [E,M]; a function of the seed, so it is not saved
  RidgeStatistics ridge_;
  Tensor weights_;  // [M,K]
  KernelRidge kernel_;
  int64_t learned_ = 0;  // names among the regression's outputs
};

LearnerRow rail_learner() {
  return learner_row<Rail>(
      {.paper = "Xu et al., NeurIPS 2024",
       .about = "Ridge regression on CLIP's image features, mixed with the zero-shot classifier "
                "where that sees a learned class.",
       .stores = "The regression's sums (primal) or samples (dual), and an embedding a class.",
       .differs = "Sums and one factorisation, where the authors' code updates the inverse task by "
                  "task: the same weights. The regression's outputs are no probabilities and are "
                  "mixed as they are, as there.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::clip});
}

}  // namespace patina
