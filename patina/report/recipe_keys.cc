#include "patina/report/recipe_keys.h"

#include <algorithm>
#include <map>
#include <set>

#include "patina/config/option_keys.h"

namespace patina {

std::vector<std::pair<std::string, std::string>> recipe_keys(std::string_view recipe) {
  std::vector<std::pair<std::string, std::string>> keys;
  std::string section;
  while (!recipe.empty()) {
    const size_t end = std::min(recipe.find('\n'), recipe.size());
    const std::string_view line = recipe.substr(0, end);
    recipe.remove_prefix(std::min(end + 1, recipe.size()));
    const size_t equals = line.find(" = ");
    if (line.starts_with('[') && line.ends_with(']'))
      section = std::string(line.substr(1, line.size() - 2)) + ".";
    else if (equals != line.npos && !line.starts_with('#'))
      keys.emplace_back(section + std::string(line.substr(0, equals)), line.substr(equals + 3));
  }
  return keys;
}

std::string plain_value(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  value = value.substr(1, value.size() - 2);
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    const bool escaped =
        value[i] == '\\' && i + 1 < value.size() && (value[i + 1] == '"' || value[i + 1] == '\\');
    text += value[i += escaped];
  }
  return text;
}

std::string recipe_value(std::string_view recipe, std::string_view key) {
  for (const auto& [name, value] : recipe_keys(recipe))
    if (name == key) return plain_value(value);
  return "";
}

std::vector<RecipeDifference> recipe_differences(const std::vector<RunRecord>& runs) {
  std::vector<std::string> order;  // of the keys, by the first recipe that has each
  std::set<std::string> known;
  std::vector<std::map<std::string, std::string>> recipes;
  for (const auto& run : runs) {
    auto& recipe = recipes.emplace_back();
    for (const auto& [key, value] : recipe_keys(run.record.recipe)) {
      recipe[key] = plain_value(value);
      if (known.insert(key).second) order.push_back(key);
    }
  }
  std::vector<RecipeDifference> differences;
  for (const auto& key : order) {
    if (key == "name" || is_seed(key)) continue;
    RecipeDifference difference{key, {}};
    for (auto& recipe : recipes) difference.values.push_back(recipe[key]);
    const auto& values = difference.values;
    if (std::ranges::any_of(values, [&](const auto& value) { return value != values[0]; }))
      differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace patina
