// Supervised fine-tuning, also under the names of the losses that make other methods of it.
#pragma once

#include "patina/learners/instruction/answer_learner.h"

namespace patina {

class Sft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerLearnerOptions {
    void bind(Fields& f) override { AnswerLearnerOptions::bind(f); }
  };

  Sft(Setup setup, const Options& options) : AnswerLearner(setup, options) {}
};

/// The row of `sft` with another default of `loss`.
LearnerRow sft_row(const std::string& loss, LearnerRow row);

}  // namespace patina
