// A closed form says how it fits: nothing is inherited that would leave it untrained.
#include "patina/learn/learner.h"

namespace patina::closed_form_without_fit {

class Method : public ClosedFormLearner {
 public:
  Tensor scores(const Question&) const override { return {}; }
  void state(Archive&) override {}
#ifdef CONTROL
  void fit(const Task&, Trainer&) override {}
#endif
};

Method method;  // expect: abstract

}  // namespace patina::closed_form_without_fit
