// The registry of all learners.
#pragma once

#include <string_view>
#include <vector>

#include "patina/learn/learner.h"

namespace patina {

/// All rows, in the order of learners.def.
const std::vector<LearnerRow>& learners();
/// The row with that name; nullptr if there is none.
const LearnerRow* find_learner(std::string_view name);
std::vector<std::string> learner_names();

}  // namespace patina
