// The example of docs/guide/write-a-learner.md. A learner of the tree needs no header: its line in
// learners.def declares it. This one is in no list, so that the program does not offer it.
#pragma once

#include "patina/learn/learner.h"

namespace patina {

LearnerRow head_replay_learner();

}  // namespace patina
