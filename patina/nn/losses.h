// Losses that several learners share.
#pragma once

#include "patina/tensor.h"

namespace patina::nn {

/// Mean cross-entropy. scores [B,K]; target [B] in [0,K), or -100 for samples to ignore.
/// `smoothing` is the part of the target spread evenly over all classes (Szegedy et al., CVPR
/// 2016).
Tensor cross_entropy(const Tensor& scores, const Tensor& target, double smoothing = 0);

/// Cross-entropy with target probabilities: mean over rows of -Σ wanted log softmax(scores). Both
/// [B,K].
Tensor soft_cross_entropy(const Tensor& scores, const Tensor& wanted);

/// Symmetric cross-entropy (Wang et al., ICCV 2019): a CE(target, p) + b CE(p, target). The
/// logarithm of the target's zeros is replaced by that of 1e-4. scores [B,K], target [B].
Tensor symmetric_cross_entropy(const Tensor& scores, const Tensor& target, double a, double b);

/// CosFace (Wang et al., CVPR 2018): cross-entropy of scale (cosines - margin at the target).
/// cosines [B,K], target [B].
Tensor margin_cross_entropy(const Tensor& cosines, const Tensor& target, double scale,
                            double margin);

/// T² KL(softmax(teacher / T) ‖ softmax(student / T)), mean over rows (Hinton et al., 2015).
/// Gradients reach the student only. student, teacher [B,K].
Tensor distillation(const Tensor& student, const Tensor& teacher, double temperature);

/// Mean cross-entropy over the tokens whose label is not -100. scores [B,T,V], labels [B,T]. NaN if
/// there is none.
Tensor token_cross_entropy(const Tensor& scores, const Tensor& labels);

/// The same for a decoder: scores at position t predict label t + 1.
Tensor next_token_loss(const Tensor& scores, const Tensor& labels);

/// Mean of 1 - cos(a, b) over rows. a, b [B,D].
Tensor cosine_distance(const Tensor& a, const Tensor& b);

}  // namespace patina::nn
