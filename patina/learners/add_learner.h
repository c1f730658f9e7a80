// Learners that are not patina's own: those of an application, which learners.def does not list.
#pragma once

#include "patina/learn/learner.h"

namespace patina {

/// Adds a learner under its name, for recipes and sessions of this process. A later one of the same
/// name takes its place where learners are made from then on. Throws Error(usage) for a name that
/// has other characters than lower-case letters, digits and underscores, or that one of patina's
/// own learners has. Thread-safe.
void add_learner(LearnerRow row);

}  // namespace patina
