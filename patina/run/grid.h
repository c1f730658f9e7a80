// Lists of values for options, as `patina sweep` and `patina tune` read them, and their products.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// An option and the values it takes, one after the other.
struct GridKey {
  std::string name;                 // "learner.projection"
  std::vector<std::string> values;  // overrides: "learner.projection=500"
};

/// Whether an option of recipes holds a list, such as model.hidden, in any learner that has it.
bool takes_list(const std::string& key);

/// The values of `key=[a,b]`. Of an option that holds a list, the values are lists themselves:
/// `[[100],[100,100]]` are two, and `[100,100]` is one. With `bare`, commas without brackets divide
/// values too: `key=a,b`. A comma inside brackets or quotes belongs to a value. Throws Error(usage)
/// for what is no `key=value`, and for a value that is missing or there twice.
GridKey read_grid_key(const std::string& text, bool bare);

constexpr int64_t kMostCombinations = 1000;

/// Every combination of values: those of the last key change first. Throws Error(usage) for more
/// than kMostCombinations.
std::vector<std::vector<std::string>> product(const std::vector<GridKey>& keys);

/// The name of a folder for a combination. Characters that a folder's name should not have, and
/// what is too long, are replaced by a hash.
std::string folder_name_of(const std::vector<std::string>& values);

}  // namespace patina
