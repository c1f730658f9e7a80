// DER: remembered samples are replayed by the scores they had alone. Buzzega et al., NeurIPS 2020.
// "der" itself is the field's name of the expandable network of CVPR 2021.
#include "patina/learn/network/dark_replay.h"

namespace patina {

LearnerRow der_logits_learner() {
  return dark_replay_row({.paper = "Buzzega et al., NeurIPS 2020",
                          .about = "Replay that repeats the scores a remembered sample had.",
                          .stores = "The network, a head, the memory's samples and their scores."},
                         0);
}

}  // namespace patina
