// EWC's penalty for any list of weights that learn: a classifier's network, or the LoRA of a
// language model.
#pragma once

#include <string>
#include <vector>

#include "patina/config/fields.h"
#include "patina/learn/step.h"
#include "patina/learn/trainer.h"
#include "patina/learners/regularization/anchor.h"

namespace patina {

struct ElasticOptions {
  double strength = 100;
  std::string mode = "separate";
  double decay = 1;
  int64_t fisher_samples = 0;

  void bind(Fields& f);
};

/// λ/2 Σ_k Σ_i F_ki (θ_i - θ*_ki)² (Kirkpatrick et al., equation 3). The penalties of all tasks are
/// combined into one, towards the weighted mean of the tasks' weights. With Adam, which normalises
/// each weight's step, the penalty is added to the gradient; plain descent could diverge with it,
/// so there it gets an implicit step of its own, at the rate that momentum gives to gradients.
class ElasticPenalty {
 public:
  explicit ElasticPenalty(const ElasticOptions& options) : options_(options) {}

  void after_backward(const std::vector<nn::NamedTensor>& weights, const Step& step) const;
  void after_step(const std::vector<nn::NamedTensor>& weights, const Step& step) const;
  /// The samples on which a task's information is measured.
  Dataset samples(const Dataset& all, Random& random) const;
  /// Adds a task's information and the weights that it left.
  void add(Anchor anchor);
  void state(Archive& a) { anchor_.state(a); }

 private:
  ElasticOptions options_;
  Anchor anchor_;
};

}  // namespace patina
