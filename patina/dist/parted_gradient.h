// The gradient of a step that is computed in parts, by one worker or by several.
#pragma once

#include <vector>

#include "patina/dist/tree_sum.h"

namespace patina {

/// Collects loss and gradients of the parts of a step. The parts are summed along a fixed tree
/// (TreeSum), so the result has the same bits for any number of workers.
class PartedGradient {
 public:
  /// `tensors`: the parameters. `workers` (lent) compute a share of the parts each; null: all parts
  /// are this process's. `fast`: adds the parts in turn and the workers' sums as c10d does, so that
  /// the result depends on the number of workers, by the rounding of a sum.
  PartedGradient(std::vector<Tensor> tensors, int64_t parts, Workers* workers, bool fast = false);

  /// The parts that this worker computes.
  const Share& own() const { return own_; }
  /// Takes the gradients of the next own part from the parameters, after its backward pass.
  void add(double loss);
  /// Gives the parameters the gradient of the whole step; one that no part reached has none.
  /// Returns the sum of the losses.
  double finish();

 private:
  void exchange_reports();
  Tensor summed();

  std::vector<Tensor> tensors_;
  int64_t parts_;
  Workers* workers_;
  Share own_;
  bool fast_;
  TreeSum sum_;
  Tensor in_turn_;               // the same, where it is fast
  std::vector<double> losses_;   // of the own parts; once exchanged, of all
  std::vector<double> reached_;  // 1 for a parameter with a gradient
};

}  // namespace patina
