// DER++: the memory keeps the scores a sample had when it was met; the network is asked to repeat
// them, and the labels of others. Buzzega et al., NeurIPS 2020.
#include "patina/learn/network/dark_replay.h"

namespace patina {

LearnerRow derpp_learner() {
  return dark_replay_row(
      {.paper = "Buzzega et al., NeurIPS 2020",
       .about = "Replay that repeats both the scores and the labels of remembered samples.",
       .stores = "The network, a head, the memory's samples and their scores."},
      0.5);
}

}  // namespace patina
