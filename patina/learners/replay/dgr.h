// What DGR computes: factors for the rows of a head's gradient, and a distillation loss that
// depends on how many samples of each class were lost. See dgr.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "patina/learn/step.h"
#include "patina/tensor.h"

namespace patina::dgr {

/// The gradient of a loss in a linear head: weight [K,D], bias [K].
struct HeadGradient {
  Tensor weight, bias;
};

/// The gradient of `loss` with respect to the head that made `scores` [B,K] from `features` [B,D].
/// The network gets no gradient.
HeadGradient gradient_in_head(const std::function<Tensor(const Tensor& scores)>& loss,
                              const Tensor& scores, const Tensor& features);

/// Adds the gradient of a part of a step to those of its earlier parts.
void collect(HeadGradient& gradient, const HeadGradient& of_part, const Step& step);

/// The length of each row of the gradient's weight: [K].
Tensor lengths(const HeadGradient& gradient);

/// The factor α_c r_c of each class's gradient, from the lengths Φ [K] of its gradients so far in
/// the task. Class balance: α_c = min Φ / Φ_c within the first `known` classes and within the
/// others. Task balance, from the means of Φ in both groups: r = min(1, fresh / known) for known
/// classes, r = min(1, attenuation · fresh / known) for fresh ones; 1 if no class is known.
Tensor factors(const Tensor& cumulated, int64_t known, double attenuation);

/// Rows α_c r_c ∂L_clf/∂w_c + ρ ∂L_kd/∂w_c. ρ scales the second gradient so that the norm of its
/// rows' lengths equals that of the first, reweighted one. `repeating` has zero rows for fresh
/// classes, or is undefined in a first task. ρ is at most 1e4: while the network still equals its
/// teacher, the second gradient is only rounding error, which must not be scaled up.
HeadGradient reweighted(const HeadGradient& classifying, const HeadGradient& repeating,
                        const Tensor& factors);

/// The number of samples that each known class lost when the memory was filled.
struct Lost {
  Tensor share;         // [known], of length one
  double evenness = 1;  // entropy of the counts / log(known): 1 where every class lost the same
};
Lost lost(const std::vector<int64_t>& learned, const std::vector<int64_t>& kept);

/// Distillation that is aware of what was lost, without the factor T²: with v the scores moved to
/// the teacher's where little was lost, v = share · student + (1 - share) · teacher, and e the
/// evenness,
///   -mean_b Σ_c p_c (e log softmax(student / T) + (1 - e) log softmax(v / T))_c,
/// p = softmax(teacher / T). student, teacher [B,known].
Tensor distillation(const Tensor& student, const Tensor& teacher, double temperature,
                    const Lost& lost);

}  // namespace patina::dgr
