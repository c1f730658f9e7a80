// Heads: what turns features into scores, and grows with the classes.
#pragma once

#include "patina/nn/layers.h"

namespace patina::nn {

/// Linear scores over the classes seen: f Wᵀ + b.  weight [K,D], bias [K].
struct LinearHead {
  Tensor weight, bias;

  /// Adds rows for `classes` - K new classes: U(-1/sqrt(D), 1/sqrt(D)), zero bias. Old rows are
  /// kept.
  void grow(int64_t classes, int64_t width, Random& random);
  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,K]
  int64_t classes() const { return weight.defined() ? weight.size(0) : 0; }
  void walk(Walk& w);
};

/// Rows at length one, as torch's F.normalize: x / max(|x|, 1e-12).
Tensor normalized(const Tensor& x);

/// Cosine of every feature with every prototype. [B,D], [K,D] -> [B,K]; a zero row gives 0.
Tensor cosine_scores(const Tensor& features, const Tensor& prototypes);

}  // namespace patina::nn
