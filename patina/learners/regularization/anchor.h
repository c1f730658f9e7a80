// Quadratic anchors: weights are pulled back to where they were, each as hard as it mattered. What
// EWC, SI, MAS and RWalk share.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/nn/merging.h"

namespace patina {

/// Importances Ω and places θ* of a list of tensors. Tensors may have grown by rows since: those
/// are free.
struct Anchor {
  Weights importance, place;

  bool empty() const { return place.empty(); }
  /// gradient += strength Ω (θ - θ*).
  void pull(const std::vector<nn::NamedTensor>& tensors, double strength) const;
  /// θ ← (θ + strength Ω θ*) / (1 + strength Ω): a step along that gradient, taken at its end.
  /// Where strength is a learning rate times a penalty's weight it is the same step to first order,
  /// and it overshoots for none.
  void hold(const std::vector<nn::NamedTensor>& tensors, double strength) const;
  void state(Archive& a) {
    a("importance", importance);
    a("place", place);
  }
};

/// One anchor that pulls as two do together: their importances' sum, and the place between theirs.
/// `b` has all tensors of `a`, with as many rows or more.
Anchor joined(const Anchor& a, const Anchor& b);

/// Σ -g Δθ over steps: how much each weight's way through them lowered the loss.
class PathGain {
 public:
  Weights sum;

  /// Begins a way of `tensors` at zero.
  void restart(const Weights& tensors);
  /// Notes their gradients and places, before a step.
  void before_step(const std::vector<nn::NamedTensor>& tensors);
  /// Adds what the step gained.
  void after_step(const std::vector<nn::NamedTensor>& tensors);

 private:
  Weights gradients_, before_;  // of the step in hand
};

/// a + b where b may have more rows, with zeros for those a lacks; both may be empty lists.
Weights added(const Weights& a, const Weights& b);

}  // namespace patina
