// What is saved is of a type that loading gives back exactly.
#include "patina/checkpoint/archive.h"

namespace patina::state_of_another_type {

struct Statistics {
#ifndef CONTROL
  float mean = 0;
#else
  double mean = 0;
#endif
  void state(Archive& a) {
    a("mean", mean);  // expect: non-class type|no matching function|not a structure or union
  }
};

}  // namespace patina::state_of_another_type
