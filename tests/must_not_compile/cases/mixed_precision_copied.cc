// Mixed precision ends where the one that began it goes.
#include "patina/tensor.h"

namespace patina::mixed_precision_copied {

void twice() {
  MixedPrecision on(true);
#ifndef CONTROL
  MixedPrecision again = on;  // expect: use of deleted function|call to deleted constructor
#else
  MixedPrecision again(true);
#endif
}

}  // namespace patina::mixed_precision_copied
