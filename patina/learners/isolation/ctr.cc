// CTR: as B-CL, with transfer routing in the place of dynamic routing: convolutions over each
// earlier task's capsules decide whether they are like the newest task's and take part. Ke et al.,
// "Achieving Forgetting Prevention and Knowledge Transfer in Continual Learning", NeurIPS 2021.
#include "patina/learners/isolation/masked_adapters.h"

namespace patina {

class Ctr : public MaskedAdapterLearner {
 public:
  struct Options : LearnerOptions, MaskedAdapterOptions {
    void bind(Fields& f) override { MaskedAdapterOptions::bind(f); }
  };
  Ctr(Setup setup, const Options& options)
      : MaskedAdapterLearner(setup, options, Sharing::transfer) {}
};

LearnerRow ctr_learner() {
  return learner_row<Ctr>(masked_adapters_of_told_tasks(
      {.paper = "Ke et al., NeurIPS 2021",
       .about = "Adapters that tasks divide by masks; a learned gate a text says which earlier "
                "tasks' capsules take part.",
       .stores = "The adapters and norms, and a task's masks, capsules, routing and head.",
       .differs = "At test time a gate is the likelier of its two values; the authors' code draws "
                  "it there, too. Every task has a routing of its own, which later ones do not "
                  "change, and capsules read each token."}));
}

}  // namespace patina
