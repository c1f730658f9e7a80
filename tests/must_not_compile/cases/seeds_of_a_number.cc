// A number does not become a seed by being passed where one belongs.
#include "patina/base/random.h"

namespace patina::seeds_of_a_number {

Random draw(const Seeds& seeds) {
  return seeds("draw");
}

Random first() {
#ifndef CONTROL
  return draw(1993);  // expect: invalid initialization|no matching function|could not convert
#else
  return draw(Seeds(1993));
#endif
}

}  // namespace patina::seeds_of_a_number
