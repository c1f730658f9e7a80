#include "apps/patina/start/needs.h"

#include <algorithm>

#include "patina/base/error.h"

namespace patina::cli {

namespace {

Need at_path(const std::string& path, const std::string& otherwise) {
  const bool there = fs::exists(path);
  return {.name = path, .found = there, .how = there ? path : otherwise};
}

}  // namespace

Need data_need(const Recipe& recipe) {
  const std::string& name = recipe.data.name;
  if (!recipe.data.path.empty()) {
    Need need = at_path(recipe.data.path, "set data.path to where it is");
    need.name = name;
    return need;
  }
  static const std::vector<std::string> found = data_sets_found();
  Need need{.name = name, .found = true, .how = ""};
  for (size_t from = 0; from <= name.size();) {  // "mnist+usps" are two
    const size_t end = std::min(name.find('+', from), name.size());
    const std::string set = name.substr(from, end - from);
    from = end + 1;
    if (std::ranges::count(found, set) > 0) continue;
    need.found = false;
    const DataSetInfo* info = find_data_set(set);
    const std::string how = info ? info->how : "";
    need.how += (need.how.empty() ? "" : "; ") + (how.empty() ? "set data.path" : how);
  }
  if (need.found) need.how = "in its usual place or $PATINA_DATA";
  return need;
}

Need weights_need(const Recipe& recipe) {
  const ModelOptions& model = recipe.model;
  for (const auto& info : model_list()) {
    if (info.name != model.name) continue;
    if (info.untrained) return {.name = model.name, .found = true, .how = "it starts untrained"};
    if (!model.path.empty()) {
      Need need = at_path(model.path, "set model.path to where they are");
      need.name = model.name;
      return need;
    }
    if (built_in_weights(model.name))
      return {.name = model.name, .found = true, .how = "in the program"};
    return {.name = model.name, .found = false, .how = info.how};
  }
  return at_path(model.name, "set model.name to the model's folder or file");
}

std::vector<fs::path> recipes_below(const fs::path& folder) {
  if (!fs::is_directory(folder))
    fail(ErrorKind::file, "{}: there is no such folder", folder.string());
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".toml") continue;
    const fs::path family = entry.path().parent_path().filename();
    if (family != "streams" && family != "pretrain") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

fs::path recipe_folder() {
  if (fs::is_directory("recipes")) return "recipes";
  std::error_code error;
  const fs::path engine = fs::read_symlink("/proc/self/exe", error);  // in PREFIX/libexec/patina
  const fs::path prefix = engine.parent_path().parent_path().parent_path();
  if (const fs::path installed = prefix / "share/patina/recipes"; fs::is_directory(installed))
    return installed;
  fail(ErrorKind::file,
       "there is no folder recipes/ here, nor one of an installed patina: name one, as in `patina "
       "list recipes FOLDER`");
}

}  // namespace patina::cli
