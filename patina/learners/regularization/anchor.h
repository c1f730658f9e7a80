// Quadratic penalties that pull weights back to earlier values, weighted by importance. Shared by
// EWC, SI, MAS and RWalk.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/nn/merging.h"

namespace patina {

/// Importances Ω and anchor values θ* for a list of tensors. Rows that were added to a tensor later
/// are not penalised.
struct Anchor {
  Weights importance, place;

  bool empty() const { return place.empty(); }
  /// gradient += strength Ω (θ - θ*).
  void pull(const std::vector<nn::NamedTensor>& tensors, double strength) const;
  /// θ ← (θ + strength Ω θ*) / (1 + strength Ω): an implicit step along that gradient. With
  /// strength = learning rate times penalty weight, it equals the explicit step to first order, and
  /// it never overshoots.
  void hold(const std::vector<nn::NamedTensor>& tensors, double strength) const;
  void state(Archive& a) {
    a("importance", importance);
    a("place", place);
  }
};

/// One anchor equivalent to two: sums of importances and importance-weighted means of values. `b`
/// has all tensors of `a`, with at least as many rows.
Anchor joined(const Anchor& a, const Anchor& b);

/// Path integral Σ -g Δθ over steps: how much each weight's updates lowered the loss.
class PathGain {
 public:
  Weights sum;

  /// Starts a path of `tensors` at zero.
  void restart(const Weights& tensors);
  /// Stores gradients and values before a step.
  void before_step(const std::vector<nn::NamedTensor>& tensors);
  /// Adds the contribution of the step.
  void after_step(const std::vector<nn::NamedTensor>& tensors);

 private:
  Weights gradients_, before_;  // of the current step
};

/// a + b, where `b` may have more rows and `a` is padded with zeros. Both may be empty lists.
Weights added(const Weights& a, const Weights& b);

}  // namespace patina
