// `[learner]` of a recipe.
#pragma once

#include <memory>
#include <string>

#include "patina/learners/registry.h"

namespace patina {

/// `[learner]`: a name, and that learner's options in the same table.
struct LearnerSection {
  std::string name = "simplecil";
  std::unique_ptr<LearnerOptions> options;  // of learner `name`, after binding

  void bind(Fields& f);
  /// Throws Error(recipe) if the name is unknown.
  const LearnerRow& row() const;

 private:
  std::string options_of_;
};

}  // namespace patina
