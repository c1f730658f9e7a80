// LAMDA-PILOT's configurations as recipes of patina: what is the same, and what is not.
#pragma once

#include <string>
#include <vector>

#include "patina/base/json_fwd.h"

namespace patina::cli {

struct PilotRecipe {
  std::string text;                     // in TOML
  std::vector<std::string> settings;    // "training.lr = 0.01, from init_lr"
  std::vector<std::string> chosen;      // what the file does not say, and PILOT's code does
  std::vector<std::string> not_mapped;  // "key = value: reason"
  std::vector<std::string> not_needed;  // keys without a meaning for results
};

/// `name` becomes the recipe's, `origin` names the file in messages. Throws Error(format) for what
/// is no configuration, and Error(recipe) for a method that patina does not have.
PilotRecipe recipe_of_pilot(const Json& config, const std::string& name, const std::string& origin);

}  // namespace patina::cli
