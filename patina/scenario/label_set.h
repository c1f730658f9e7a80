// Which classes compete for a test sample.
#pragma once

#include "patina/scenario/scenario.h"

namespace patina {

enum class LabelSet {
  seen,  // those of the tasks so far; before a sample's task was learned, of the tasks up to it
  own,   // those of its task, which is known
  all,   // those of all tasks, learned or not (Xu et al., "Advancing Cross-domain Discriminability
         // in Continual Learning of Vision-Language Models", NeurIPS 2024)
};
LabelSet label_set(const Scenario& scenario);

}  // namespace patina
