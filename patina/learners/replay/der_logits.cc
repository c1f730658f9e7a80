// DER, Dark Experience Replay: memory samples are replayed by their stored scores alone. Buzzega et
// al., NeurIPS 2020. The name "der" is used for the expandable networks of CVPR 2021, as usual in
// the field.
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
