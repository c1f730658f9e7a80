#include "patina/learners/regularization/elastic.h"

#include "patina/ops.h"

namespace patina {

void ElasticOptions::bind(Fields& f) {
  f("strength", strength, "The paper's λ.", at_least(0));
  f("mode", mode,
    "separate: a spring to the weights after every task; online: one to the last, with the sum "
    "of all informations.",
    {"separate", "online"});
  f("decay", decay, "Of online: what is left of earlier informations at each task (γ).",
    between(0, 1));
  f("fisher_samples", fisher_samples, "Samples the information is measured on; 0: all of the task.",
    at_least(0));
}

void ElasticPenalty::after_backward(const std::vector<nn::NamedTensor>& weights,
                                    const Step& step) const {
  if (!step.descent) anchor_.pull(weights, options_.strength);
}

void ElasticPenalty::after_step(const std::vector<nn::NamedTensor>& weights,
                                const Step& step) const {
  if (!step.descent) return;
  // A constant gradient moves a weight by rate / (1 - momentum) a step.
  const double momentum = step.trainer ? step.trainer->options().optimizer.momentum : 0;
  anchor_.hold(weights, step.rate / (1 - momentum) * options_.strength);
}

Dataset ElasticPenalty::samples(const Dataset& all, Random& random) const {
  if (options_.fisher_samples == 0 || options_.fisher_samples >= all.size()) return all;
  auto drawn = random.permutation(all.size());
  drawn.resize(size_t(options_.fisher_samples));
  return all.select(drawn);
}

void ElasticPenalty::add(Anchor anchor) {
  if (options_.mode == "separate") {
    anchor_ = joined(anchor_, anchor);
    return;
  }
  for (auto& tensor : anchor_.importance) tensor.mul_(options_.decay);
  anchor.importance = added(anchor_.importance, anchor.importance);
  anchor_ = std::move(anchor);
}

}  // namespace patina
