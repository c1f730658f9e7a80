// A closed form has no loss to descend, and cannot grow one.
#include "patina/learn/learner.h"

namespace patina::closed_form_loss {

class Method : public ClosedFormLearner {
 public:
#ifndef CONTROL
  Tensor loss(const Batch& batch, const Step&) override;  // expect: overrid.* final
#endif
  Tensor scores(const Question& asked) const override;
};

}  // namespace patina::closed_form_loss
