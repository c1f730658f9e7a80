// Contrastive losses of unit rows.
#pragma once

#include "patina/tensor.h"

namespace patina {

/// Supervised contrast (Khosla et al., NeurIPS 2020): of unit rows h [B,D], the mean of -log p over
/// each row's fellows of its class `target` [B], p = softmax over the other rows of h hᵀ / τ. Rows
/// without fellows do not count.
Tensor supervised_contrast(const Tensor& h, const Tensor& target, double temperature);

/// InfoNCE (van den Oord et al., 2018): row i of `a` belongs to row i of `b`, both unit rows [B,D].
Tensor contrast(const Tensor& a, const Tensor& b, double temperature);

}  // namespace patina
