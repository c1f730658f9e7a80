#include "patina/learn/learner.h"

#include "patina/base/error.h"

namespace patina {

void Learner::fit(const Task& task, Trainer& trainer) {
  trainer.epochs(*this, task);
}

Tensor ClosedFormLearner::loss(const Batch&) {
  PATINA_CHECK(false, "a closed form has no loss");
  return {};
}

}  // namespace patina
