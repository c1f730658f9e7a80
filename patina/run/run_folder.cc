#include "patina/run/run_folder.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"
#include "patina/record/run_events.h"

namespace patina {

void RunFolder::tidy() const {
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.path().extension() == ".tmp") fs::remove(entry.path());
}

bool RunFolder::used() const {
  return fs::exists(recipe()) || fs::exists(checkpoint()) || fs::exists(previous());
}

std::string RunFolder::text_of(RunMode mode, const std::string& recipe_text) const {
  if (mode != RunMode::resume || !fs::exists(recipe())) return recipe_text;
  const std::string before = read_text(recipe());
  if (before == recipe_text) return before;
  try {
    Recipe today = read_recipe(recipe(), {});
    return to_toml(today) == recipe_text ? before : recipe_text;
  } catch (const Error&) {  // keys that no longer exist: another recipe
    return recipe_text;
  }
}

bool RunFolder::complete(const std::string& recipe_text) const {
  if (!fs::exists(record())) return false;
  const Json json = parse_json(read_text(record()), record().string());
  return json.is_object() && json.value("status", "") == "complete" &&
         json.value("recipe", "") == recipe_text;
}

bool RunFolder::continues(RunMode mode, const std::string& recipe_text) const {
  if (!used()) return false;
  if (mode == RunMode::fresh)
    fail(ErrorKind::state,
         "{} already contains a run: continue it with --resume, replace it with --overwrite, or "
         "choose another --out",
         path.string());
  if (mode == RunMode::overwrite) return false;
  if (fs::exists(recipe())) compare(read_text(recipe()), recipe_text);
  return fs::exists(checkpoint()) || fs::exists(previous());
}

bool RunFolder::open(RunMode mode, const std::string& recipe_text) const {
  if (continues(mode, recipe_text)) return true;
  if (mode == RunMode::resume && used()) return false;
  if (used()) {
    for (const auto& file : {recipe(), record(), predictions(), model(), checkpoint(), previous()})
      fs::remove(file);
    remove_events(path);
  }
  write_text(recipe(), recipe_text);
  return false;
}

// A run can only be resumed with the recipe it was started with.
void RunFolder::compare(std::string_view before, std::string_view now) const {
  if (before == now) return;
  size_t line = 1, start = 0;
  for (size_t i = 0; i < std::min(before.size(), now.size()) && before[i] == now[i]; ++i)
    if (now[i] == '\n') ++line, start = i + 1;
  const auto rest = [start](std::string_view text) {
    return std::string(text.substr(start, text.find('\n', start) - start));
  };
  fail(ErrorKind::state,
       "{} was begun with another recipe: line {} of its recipe.toml says `{}`, now it is `{}`; "
       "change it back, or start a new run with another --out",
       path.string(), line, rest(before), rest(now));
}

Archive RunFolder::load() const {
  if (!fs::exists(checkpoint())) return Archive::read(previous());
  try {
    return Archive::read(checkpoint());
  } catch (const Error& error) {
    if (!fs::exists(previous())) throw;
    warn(fmt::format("{}\ncontinuing from the checkpoint before it", error.what()));
    return Archive::read(previous());
  }
}

void RunFolder::save(const Archive& archive) const {
  const fs::path fresh = path / "checkpoint.new.safetensors";
  archive.write(fresh);
  if (fs::exists(checkpoint())) fs::rename(checkpoint(), previous());
  fs::rename(fresh, checkpoint());
}

}  // namespace patina
