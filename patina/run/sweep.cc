#include "patina/run/sweep.h"

#include <cstdio>
#include <set>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"

namespace patina {

namespace {

// Whether the folder holds this very run from start to end.
bool complete(PlannedRun& planned) {
  const fs::path path = planned.folder / "record.json";
  if (!fs::exists(path)) return false;
  const Json record = parse_json(read_text(path), path.string());
  return record.is_object() && record.value("status", "") == "complete" &&
         record.value("recipe", "") == to_toml(planned.recipe);
}

}  // namespace

std::vector<PlannedRun> planned(const SweepPlan& plan) {
  std::vector<PlannedRun> runs;
  std::set<std::string> names;
  for (const auto& path : plan.recipes) {
    const auto add = [&](const fs::path& below, std::vector<std::string> overrides) {
      overrides.insert(overrides.begin(), plan.overrides.begin(), plan.overrides.end());
      PlannedRun& run = runs.emplace_back();
      run.recipe = read_recipe(path, overrides);
      run.name = run.recipe.name;
      run.folder = plan.out / run.name / below;
    };
    if (plan.seeds.empty()) add({}, {});
    for (const int64_t seed : plan.seeds)
      add(fmt::format("seed_{}", seed),
          {fmt::format("seed={}", seed), fmt::format("scenario.class_order_seed={}", seed)});
    if (!names.insert(runs.back().name).second)
      fail(ErrorKind::recipe, "{}: a recipe before it is called \"{}\", too: give it another name",
           path.string(), runs.back().name);
  }
  return runs;
}

std::vector<SweptRun> sweep(std::vector<PlannedRun> runs, const RunControl& control) {
  std::vector<SweptRun> swept;
  RunControl each = control;
  each.mode = RunMode::resume;
  for (auto& run : runs) {
    SweptRun& result = swept.emplace_back(SweptRun{.name = run.name, .folder = run.folder});
    try {
      result.kept = complete(run);
      if (result.kept) continue;
      std::fprintf(stderr, "run %zu of %zu: %s\n", swept.size(), runs.size(), run.folder.c_str());
      patina::run(run.recipe, run.folder, each);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::stopped) throw;
      result.failure = error.what();
      std::fprintf(stderr, "%s failed: %s\n", run.folder.c_str(), error.what());
    }
  }
  return swept;
}

}  // namespace patina
