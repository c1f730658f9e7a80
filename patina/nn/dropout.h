// Dropout (Srivastava et al., JMLR 2014), for networks that are trained from scratch and for
// adapters.
#pragma once

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina::nn {

/// While an instance lives, this thread's networks drop units, drawn from `random`. Without one
/// nothing is dropped. The trainer creates one around the loss of each training step.
class Dropping {
 public:
  explicit Dropping(Random random);
  ~Dropping();
  Dropping(const Dropping&) = delete;
  Dropping& operator=(const Dropping&) = delete;

 private:
  Random random_;
  Random* before_;
};

/// Sets each number of x to zero with probability `rate` in [0, 1) and divides the others by 1 -
/// rate. Returns x if nothing is dropped, or if no graph is built.
Tensor dropout(const Tensor& x, double rate);

}  // namespace patina::nn
