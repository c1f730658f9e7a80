// Cosine similarity of features and prototypes.
#pragma once

#include "patina/tensor.h"

namespace patina {

/// Rows scaled to unit length, as torch's F.normalize: x / max(|x|, 1e-12).
Tensor normalized(const Tensor& x);

/// Cosine of every feature with every prototype: [B,D], [K,D] -> [B,K]. 0 for a zero row.
Tensor cosine_scores(const Tensor& features, const Tensor& prototypes);

}  // namespace patina
