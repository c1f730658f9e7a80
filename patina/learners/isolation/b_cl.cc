// B-CL: adapters in a frozen BERT, whose units hard attention divides among the tasks, and into
// which dynamic routing brings what capsules of all tasks so far read. Ke et al., "Adapting BERT
// for Continual Learning of a Sequence of Aspect Sentiment Classification Tasks", NAACL 2021.
#include "patina/learners/isolation/masked_adapters.h"

namespace patina {

class Bcl : public MaskedAdapterLearner {
 public:
  struct Options : LearnerOptions, MaskedAdapterOptions {
    void bind(Fields& f) override { MaskedAdapterOptions::bind(f); }
  };
  Bcl(Setup setup, const Options& options)
      : MaskedAdapterLearner(setup, options, Sharing::dynamic) {}
};

LearnerRow b_cl_learner() {
  return learner_row<Bcl>(masked_adapters_of_told_tasks(
      {.paper = "Ke et al., NAACL 2021",
       .about = "Adapters that tasks divide by masks and share by capsules with dynamic routing.",
       .stores = "The adapters and norms, and a task's masks, capsules and head.",
       .differs = "A capsule reads each token, so that a text may have any length; the authors' "
                  "holds a whole text of one length. A task's capsules stay as they are when later "
                  "ones learn, so that with `norms = false` nothing of an earlier task changes."}));
}

}  // namespace patina
