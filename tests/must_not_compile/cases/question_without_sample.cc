// Nor which sample it is: its class could have been kept from elsewhere.
#include "patina/learn/learner.h"

namespace patina::question_without_sample {

Tensor scores(const Question& asked) {
#ifndef CONTROL
  return asked.sample();  // expect: no member named 'sample'
#else
  return asked.input.pixels();
#endif
}

}  // namespace patina::question_without_sample
