// What DER and DER++ share: scores kept with the memory's samples.
#pragma once

#include <memory>

#include "patina/learn/learner.h"

namespace patina {

/// A row of `dark replay` whose weight of the labels is `beta` by default.
LearnerRow dark_replay_row(LearnerRow row, double beta);

}  // namespace patina
