// A learner of samples that come once says what it does with them.
#include "patina/learn/learner.h"

namespace patina::streaming_without_observe {

class Method : public StreamingLearner {
 public:
  Tensor scores(const Question&) const override { return {}; }
  void state(Archive&) override {}
#ifdef CONTROL
  void observe(const Batch&, Trainer&) override {}
#endif
};

Method method;  // expect: abstract

}  // namespace patina::streaming_without_observe
