// A learner that could not be resumed cannot be made.
#include "patina/learn/learner.h"

namespace patina::learner_without_state {

class Method : public Learner {
 public:
  Tensor loss(const Batch&, const Step&) override { return {}; }
  Tensor scores(const Question&) const override { return {}; }
  std::vector<ParamGroup> trainable() override { return {}; }
#ifdef CONTROL
  void state(Archive&) override {}
#endif
};

Method method;  // expect: abstract

}  // namespace patina::learner_without_state
