// `[learner]` of a recipe.
#pragma once

#include <memory>
#include <string>

#include "patina/learners/registry.h"

namespace patina {

/// `[learner]`: a name, then that learner's own options in the same table.
struct LearnerSection {
  std::string name = "simplecil";
  std::unique_ptr<LearnerOptions> options;  // of the learner called `name`, once bound

  void bind(Fields& f);
  /// Throws Error(recipe) when the name is unknown.
  const LearnerRow& row() const;

 private:
  std::string options_of_;
};

}  // namespace patina
