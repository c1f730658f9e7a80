// Merging: computes weights of one network from those of several. Networks are lists of tensors
// with the same shapes in the same order.
#pragma once

#include <vector>

#include "patina/base/random.h"
#include "patina/nn/module.h"

namespace patina {

using Weights = std::vector<Tensor>;

/// Tensors, or those of a module, detached. They share storage with the originals.
Weights weights_of(const std::vector<nn::NamedTensor>& tensors);
template <class Module>
requires requires(Module& module, nn::Walk& w) {
  module.walk(w);
}
Weights weights_of(Module& module) {
  return weights_of(nn::tensors(module));
}
/// Copies of the current values.
template <class Source>
Weights copied(Source&& source) {
  Weights weights = weights_of(source);
  for (auto& tensor : weights) tensor = tensor.clone();
  return weights;
}
/// Copies values into tensors of the same shapes, in place.
void assign(const std::vector<nn::NamedTensor>& to, const Weights& from);

/// Exponential moving average, in place: average = keep average + (1 - keep) now. `keep` is the
/// decay.
void follow(const std::vector<nn::NamedTensor>& average, const Weights& now, double keep);

/// Linear interpolation, (1 - part) a + part b: WiSE-FT (Wortsman et al., CVPR 2022), CoMA.
Weights mixed(const Weights& a, const Weights& b, double part);

/// a + factor b.
Weights added(const Weights& a, const Weights& b, double factor);

/// The sum of all: task arithmetic, of task vectors (Ilharco et al., ICLR 2023).
Weights summed(const std::vector<Weights>& all);

/// The `keep` largest magnitudes of all tensors together, a part in (0, 1], rounded up; zeros in
/// the other places. Of equal magnitudes at the limit all stay.
Weights trimmed(const Weights& weights, double keep);

/// TIES (Yadav et al., NeurIPS 2023) after trimming: for each element the mean of the values with
/// the sign of the sum, without zeros; zero where the sum is.
Weights of_one_sign(const std::vector<Weights>& all);

/// DARE (Yu et al., ICML 2024): each element is dropped with probability `drop`, and the others
/// are divided by 1 - drop.
Weights dropped(const Weights& weights, double drop, Random random);

/// The mean of all: a uniform soup (Wortsman et al., ICML 2022).
Weights soup(const std::vector<Weights>& all);

/// Fisher-weighted interpolation with diagonal Fisher information: ((1 - part) Fa a + part Fb b) /
/// ((1 - part) Fa + part Fb), element by element (Marouf et al., "CoFiMA", ECCV 2024, equation 8).
/// Where both are zero, plain interpolation as in `mixed`.
Weights fisher_mixed(const Weights& a, const Weights& fisher_a, const Weights& b,
                     const Weights& fisher_b, double part);

/// EMR-Merging (Huang et al., NeurIPS 2024), "elect": for each element the largest magnitude among
/// the values with the sign of the sum (if the sum is zero: negative).
Weights elected(const std::vector<Weights>& all);

}  // namespace patina
