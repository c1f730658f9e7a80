// CLIB's learning rate: blocks of steps at a higher and a lower rate alternate, and Welch's test
// decides at which rate the loss falls faster.
#pragma once

#include <optional>
#include <vector>

#include "patina/checkpoint/archive.h"

namespace patina {

class AdaptiveRate {
 public:
  /// `block`: evaluations of the loss per block; `step`: the ratio of the lower rate to the higher.
  AdaptiveRate(int64_t block, double step) : block_(block), step_(step) {}

  /// The rate of the next step, as a factor of the initial rate.
  double factor() const { return high_ * (low_ ? step_ : 1); }
  /// Counts an evaluation of the loss. Returns whether it ends a block; then `end_block` must be
  /// called.
  bool looked() { return ++looks_ % block_ == 0; }
  /// Ends a block in which the mean loss fell by `fall`, if that is known. Blocks that end within
  /// the first twenty evaluations do not count. Once there are ten falls at each rate, the test
  /// follows every block.
  void end_block(std::optional<double> fall);

  void state(Archive& a) {
    a("high", high_);
    a("low", low_);
    a("looks", looks_);
    a("high_falls", high_falls_);
    a("low_falls", low_falls_);
  }

 private:
  int64_t block_;
  double step_, high_ = 1;
  bool low_ = false;  // the current block has the lower rate
  int64_t looks_ = 0;
  std::vector<double> high_falls_, low_falls_;  // of the last blocks at each rate
};

/// The mean change of the losses of samples in numbered slots from one evaluation to the next.
class LossTrace {
 public:
  /// A new sample is in `slot`: its loss is unknown until the next evaluation.
  void renew(size_t slot);
  /// The mean of now - before over the slots whose loss was known; nothing if there is none. `now`:
  /// the losses of all slots.
  std::optional<double> change(const std::vector<double>& now);
  void state(Archive& a) {
    a("losses", before_);
    a("fresh", fresh_);
  }

 private:
  std::vector<double> before_;
  std::vector<int64_t> fresh_;  // 1: the loss is not yet known
};

}  // namespace patina
