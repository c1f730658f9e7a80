// Merging: weights of one network from those of several. Lists of tensors stand for the networks;
// they are of the same shapes in the same order.
#pragma once

#include <vector>

#include "patina/nn/module.h"

namespace patina {

using Weights = std::vector<Tensor>;

/// Tensors, or a module's, without their gradients: they follow what happens to the module.
Weights weights_of(const std::vector<nn::NamedTensor>& tensors);
template <class Module>
requires requires(Module& module, nn::Walk& w) {
  module.walk(w);
}
Weights weights_of(Module& module) {
  return weights_of(nn::tensors(module));
}
/// The same as they are now.
template <class Source>
Weights copied(Source&& source) {
  Weights weights = weights_of(source);
  for (auto& tensor : weights) tensor = tensor.clone();
  return weights;
}
/// Into tensors of the same shapes, in place.
void assign(const std::vector<nn::NamedTensor>& to, const Weights& from);

/// Moving average, in place: average = keep average + (1 - keep) now.
void follow(const std::vector<nn::NamedTensor>& average, const Weights& now, double keep);

/// (1 - part) a + part b: WiSE-FT (Wortsman et al., CVPR 2022), CoMA.
Weights mixed(const Weights& a, const Weights& b, double part);

/// The mean of all: a uniform soup (Wortsman et al., ICML 2022).
Weights soup(const std::vector<Weights>& all);

/// ((1 - part) Fa a + part Fb b) / ((1 - part) Fa + part Fb), element by element, with diagonal
/// Fisher informations: Marouf et al., "CoFiMA", ECCV 2024, equation 8. Where both are zero, and
/// nothing is known of either, as `mixed`.
Weights fisher_mixed(const Weights& a, const Weights& fisher_a, const Weights& b,
                     const Weights& fisher_b, double part);

/// Of each element the largest magnitude among those with the sign of the sum (of a zero sum:
/// negative): EMR-Merging (Huang et al., NeurIPS 2024), "elect".
Weights elected(const std::vector<Weights>& all);

}  // namespace patina
