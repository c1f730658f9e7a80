// Who is asked for a sample's class is not told it.
#include "patina/learn/learner.h"

namespace patina::question_without_target {

Tensor scores(const Question& asked) {
#ifndef CONTROL
  return asked.target;  // expect: no member named 'target'
#else
  return asked.input.pixels();
#endif
}

}  // namespace patina::question_without_target
