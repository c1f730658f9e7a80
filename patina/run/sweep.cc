#include "patina/run/sweep.h"

#include <atomic>
#include <cstdio>
#include <set>

#include "patina/base/error.h"
#include "patina/base/thread_pool.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"
#include "patina/run/run_folder.h"

namespace patina {

std::vector<PlannedRun> planned(const SweepPlan& plan) {
  std::vector<PlannedRun> runs;
  std::set<std::string> names;
  for (const auto& path : plan.recipes) {
    const auto add = [&](const fs::path& below, std::vector<std::string> overrides) {
      overrides.insert(overrides.begin(), plan.overrides.begin(), plan.overrides.end());
      PlannedRun& run = runs.emplace_back();
      run.recipe = read_recipe(path, overrides);
      run.file = path;
      run.overrides = overrides;
      run.name = run.recipe.name;
      run.folder = plan.out / run.name;
      if (!below.empty()) run.folder /= below;
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

std::vector<SweptRun> sweep(std::vector<PlannedRun> runs, int jobs,
                            const std::function<void(PlannedRun&)>& run) {
  std::vector<SweptRun> swept(runs.size());
  std::atomic<bool> stopped = false;
  const auto take = [&](int64_t i) {
    PlannedRun& planned = runs[size_t(i)];
    SweptRun& result = swept[size_t(i)];
    result = {.name = planned.name, .folder = planned.folder};
    if (stopped) return;
    try {
      const RunFolder folder{planned.folder};
      result.kept = folder.complete(folder.text_of(RunMode::resume, to_toml(planned.recipe)));
      if (result.kept) return;
      note(fmt::format("run {} of {}: {}", i + 1, runs.size(), planned.folder.string()));
      run(planned);
      if (jobs > 1) note(fmt::format("{} is complete", planned.folder.string()));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::stopped) {
        stopped = true;
        throw;
      }
      result.failure = error.what();
      warn(fmt::format("{} failed: {}", planned.folder.string(), error.what()));
    }
  };
  if (jobs > 1)
    ThreadPool(jobs).for_each(int64_t(runs.size()), take);
  else
    for (int64_t i = 0; i < int64_t(runs.size()); ++i) take(i);
  return swept;
}

}  // namespace patina
