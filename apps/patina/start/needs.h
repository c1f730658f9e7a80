// What a recipe needs from outside the program, and whether it is here: data and weights.
#pragma once

#include <string>
#include <vector>

#include "patina/run/recipe.h"

namespace patina::cli {

struct Need {
  std::string name;  // "cifar100"; a file or folder
  bool found = false;
  std::string how;  // where it is, or how to get it
};

/// Nothing is opened; a data set counts as found if the files that it is recognised by are there.
Need data_need(const Recipe& recipe);
Need weights_need(const Recipe& recipe);

/// The recipes below a folder, sorted by path. What others are laid over (streams/), and what makes
/// starters (pretrain/), are none to run.
std::vector<fs::path> recipes_below(const fs::path& folder);
/// recipes/ in this folder, or of the installed program. Throws Error(file) if neither is there.
fs::path recipe_folder();

}  // namespace patina::cli
