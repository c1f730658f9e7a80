// DER++, for DER, which asks for less. What it is stands in derpp.cc.
#pragma once

#include <vector>

#include "patina/learners/replay/replay_learner.h"

namespace patina {

class DerPlusPlus : public ReplayLearner {
 public:
  struct Options : LearnerOptions, ReplayOptions {
    double alpha = 0.3, beta = 0.5;
    void bind(Fields& f) override;
  };

  DerPlusPlus(Setup setup, const Options& options);

  Tensor loss(const Batch& batch, const Step& step) override;
  void state(Archive& a) override;

 protected:
  void stored(size_t slot, const Batch& batch, int64_t row) override;

 private:
  Tensor dark_loss(const Replayed& past) const;

  Options options_;
  std::vector<Tensor> scores_;  // by slot: [classes seen then]
  Tensor met_;                  // scores of the current batch, before its step
};

/// How both train, and what both say of themselves.
LearnerRow dark_replay(LearnerRow row);

}  // namespace patina
