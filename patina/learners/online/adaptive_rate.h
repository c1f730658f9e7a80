// CLIB's learning rate: blocks of steps at a higher and a lower rate alternate, and Welch's test
// decides by which of them the loss falls faster.
#pragma once

#include <optional>
#include <vector>

#include "patina/checkpoint/archive.h"

namespace patina {

class AdaptiveRate {
 public:
  /// `block`: looks at the loss in a block; `step`: the lower rate over the higher.
  AdaptiveRate(int64_t block, double step) : block_(block), step_(step) {}

  /// The rate of the next step, as a factor of the first.
  double factor() const { return high_ * (low_ ? step_ : 1); }
  /// Counts a look; whether it ends a block. Then `end_block` must be called.
  bool looked() { return ++looks_ % block_ == 0; }
  /// Ends a block over which the mean loss fell by `fall`, if known. The falls of the first looks
  /// are not used. Once the last ten falls at each rate are known, the test follows every block.
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
  std::vector<double> high_falls_, low_falls_;  // of the last blocks
};

/// The mean change of the losses of samples in slots from one look to the next.
class LossTrace {
 public:
  /// A new sample is in `slot`: its loss is unknown until the next look.
  void renew(size_t slot);
  /// The mean of now - before over the slots whose loss was known, if any. `now`: of every slot.
  std::optional<double> change(const std::vector<double>& now);
  void state(Archive& a) {
    a("losses", before_);
    a("fresh", fresh_);
  }

 private:
  std::vector<double> before_;
  std::vector<int64_t> fresh_;  // 1: its loss is not known yet
};

}  // namespace patina
