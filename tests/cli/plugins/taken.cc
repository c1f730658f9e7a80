// A plug-in whose second learner has the name of one of patina's: none of them is added.
#include "patina/learners/plugin.h"

PATINA_PLUGIN(learners) {
  learners.add("not_taken", {});
  learners.add("simplecil", {});
}
