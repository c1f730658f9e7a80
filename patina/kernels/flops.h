// Counts the arithmetic requested: multiply-adds of matrix products, two operations each, computed
// from their shapes.
#pragma once

#include <cstdint>

namespace patina {

struct Flops {
  int64_t forward = 0;
  int64_t backward = 0;  // backward passes of the graphs that were built, whether or not they ran

  Flops& operator+=(const Flops& more) {
    forward += more.forward;
    backward += more.backward;
    return *this;
  }
  Flops operator-(const Flops& earlier) const {
    return {forward - earlier.forward, backward - earlier.backward};
  }

  template <class Archive>
  void state(Archive& a) {
    a("forward", forward);
    a("backward", backward);
  }
};

/// Counts of the current work (base/work.h) so far, over all its threads; zeros if no work is
/// active.
Flops flops();
void count_flops(int64_t forward, int64_t backward);

}  // namespace patina
