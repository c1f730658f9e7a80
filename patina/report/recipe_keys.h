// The keys of a resolved recipe, as a record holds it: what two recipes differ in.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/report/record.h"

namespace patina {

/// "training.lr" and "0.1", in the order of the text. Patina writes a recipe with one key a line;
/// other lines are left out.
std::vector<std::pair<std::string, std::string>> recipe_keys(std::string_view recipe);

/// "er" of `"er"`: the text that a TOML string stands for; other values as they are.
std::string plain_value(std::string_view value);

/// The value of a key; "" where the recipe does not have it.
std::string recipe_value(std::string_view recipe, std::string_view key);

/// A key in which recipes differ, and its value in each; "" where one does not have it.
struct RecipeDifference {
  std::string key;
  std::vector<std::string> values;  // a run each
};

/// Without what is expected to differ: the names and the seeds.
std::vector<RecipeDifference> recipe_differences(const std::vector<RunRecord>& runs);

}  // namespace patina
