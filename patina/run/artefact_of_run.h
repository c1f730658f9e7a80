// The artefact of a run, for `patina predict` and `patina learn`.
#pragma once

#include <string>

#include "patina/run/recipe.h"
#include "patina/session/artefact.h"

namespace patina {

/// The header of a complete run's artefact; `hash` is that of the backbone's weights before
/// learning.
Artefact artefact_of_run(Recipe& recipe, const Scenario& scenario, const Source& train,
                         const Backbone& backbone, const std::string& hash);

}  // namespace patina
