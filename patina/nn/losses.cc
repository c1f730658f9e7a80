#include "patina/nn/losses.h"

#include <cmath>

#include "patina/ops.h"

namespace patina::nn {

Tensor cross_entropy(const Tensor& scores, const Tensor& target, double smoothing) {
  const Tensor log_p = at::log_softmax(scores, -1, at::kFloat);
  Tensor hard = at::nll_loss(log_p, target);
  if (smoothing == 0) return hard;
  return hard * (1 - smoothing) - log_p.mean() * smoothing;
}

Tensor symmetric_cross_entropy(const Tensor& scores, const Tensor& target, double a, double b) {
  // -Σ_k p_k log q_k: the target's term is 0; all other terms have the same logarithm.
  static const double kLogOfZero = std::log(1e-4);
  const Tensor p = at::softmax(scores, -1, at::kFloat);
  const Tensor elsewhere = 1 - (p * at::one_hot(target, scores.size(-1))).sum(-1);
  return a * cross_entropy(scores, target) - b * kLogOfZero * elsewhere.mean();
}

Tensor margin_cross_entropy(const Tensor& cosines, const Tensor& target, double scale,
                            double margin) {
  const Tensor lowered =
      margin == 0 ? cosines : cosines - margin * at::one_hot(target, cosines.size(1));
  return cross_entropy(scale * lowered, target);
}

Tensor soft_cross_entropy(const Tensor& scores, const Tensor& wanted) {
  return -(wanted * at::log_softmax(scores, -1)).sum(1).mean();
}

Tensor distillation(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor wanted = at::log_softmax(teacher.detach() / temperature, -1);
  const Tensor said = at::log_softmax(student / temperature, -1);
  return (at::exp(wanted) * (wanted - said)).sum(1).mean() * (temperature * temperature);
}

Tensor token_cross_entropy(const Tensor& scores, const Tensor& labels) {
  return cross_entropy(scores.reshape({-1, scores.size(-1)}), labels.reshape({-1}));
}

Tensor next_token_loss(const Tensor& scores, const Tensor& labels) {
  return token_cross_entropy(scores.slice(1, 0, -1), labels.slice(1, 1));
}

Tensor cosine_distance(const Tensor& a, const Tensor& b) {
  return 1 - at::cosine_similarity(a, b, -1).mean();
}

}  // namespace patina::nn
