// DER++, as the base of DER, which has no label loss. See derpp.cc.
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
  void remember(const Batch& batch) override;
  bool divides() const override { return false; }  // `remember` stores the scores of a loss
  void state(Archive& a) override;

 protected:
  void stored(size_t slot, const Batch& batch, int64_t row) override;

 private:
  /// Warns of a learning rate that is too high for a pre-trained transformer.
  void check_rate(const Step& step) const;
  Tensor dark_loss(const Replayed& past) const;

  Options options_;
  std::vector<Tensor> scores_;  // per slot: [classes seen then]
  Tensor met_;                  // scores of the current batch, before its first step
  bool first_ = true;           // whether this is that step
};

/// The training options and descriptions that both share.
LearnerRow dark_replay(LearnerRow row);

}  // namespace patina
