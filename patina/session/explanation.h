// What `patina explain` says of a learner.
#pragma once

#include <string>

#include "patina/learn/learner.h"

namespace patina {

/// The paper and the idea of a method, the scenarios it runs on, and its options with their
/// defaults, for people.
std::string explanation(const LearnerRow& row);

}  // namespace patina
