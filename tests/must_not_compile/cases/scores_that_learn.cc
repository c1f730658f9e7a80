// Scoring changes nothing: several threads ask at a time.
#include "patina/learn/learner.h"

namespace patina::scores_that_learn {

class Counting : public ClosedFormLearner {
 public:
  void fit(const Task&, Trainer&) override {}
  void state(Archive&) override {}
  Tensor scores(const Question&) const override {
#ifndef CONTROL
    ++asked_;  // expect: read-only object|cannot modify|increment of member
#endif
    return {};
  }

 private:
  int asked_ = 0;
};

}  // namespace patina::scores_that_learn
