// Dropout (Srivastava et al., JMLR 2014), for networks that are trained from nothing.
#pragma once

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina::nn {

/// While one lives, this thread's networks drop units, drawn from `random`. Without one nothing is
/// dropped, so what drops is the loss of a training step alone: the trainer sees to it.
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

/// Sets each number of x to zero with probability `rate` in [0, 1) and divides the others by
/// 1 - rate; x itself where nothing is dropped, and where no graph is built.
Tensor dropout(const Tensor& x, double rate);

}  // namespace patina::nn
