// Losses that several learners share.
#pragma once

#include "patina/tensor.h"

namespace patina::nn {

/// Mean cross-entropy. scores [B,K], target [B] in [0,K).
/// `smoothing` spreads that much of the target evenly over all classes (Szegedy et al., CVPR 2016).
Tensor cross_entropy(const Tensor& scores, const Tensor& target, double smoothing = 0);

/// Mean of 1 - cos(a, b) over rows. a, b [B,D].
Tensor cosine_distance(const Tensor& a, const Tensor& b);

}  // namespace patina::nn
