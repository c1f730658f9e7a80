// A learner's options, set as in a recipe or on the command line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/config/recipe_file.h"
#include "patina/learners/registry.h"

namespace patina {

/// The options in `toml`, and over them `settings`, such as "strength=2". Throws Error for an
/// unknown key or a wrong value.
inline std::unique_ptr<LearnerOptions> bound_options(const std::string& learner,
                                                     const std::vector<std::string>& settings,
                                                     const std::string& toml = "") {
  auto options = find_learner(learner)->options();
  auto file = RecipeFile::parse(toml, learner, settings);
  file.bind(*options);
  file.finish();
  return options;
}

}  // namespace patina
