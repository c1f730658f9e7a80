// DER: remembered samples are replayed by the scores they had alone. Buzzega et al., NeurIPS 2020.
// "der" itself is the field's name of the expandable network of CVPR 2021.
#include "patina/learners/replay/derpp.h"

namespace patina {

/// DER++ without labels: β = 0.
class DerLogits : public DerPlusPlus {
 public:
  struct Options : DerPlusPlus::Options {
    Options() { beta = 0; }
  };
  DerLogits(Setup setup, const Options& options) : DerPlusPlus(setup, options) {}
};

LearnerRow der_logits_learner() {
  return learner_row<DerLogits>(
      dark_replay({.about = "Replay that repeats the scores a remembered sample had."}));
}

}  // namespace patina
