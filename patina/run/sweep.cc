#include "patina/run/sweep.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <set>

#include "patina/base/error.h"
#include "patina/base/thread_pool.h"
#include "patina/base/work.h"
#include "patina/config/option_keys.h"
#include "patina/config/recipe_file.h"
#include "patina/config/toml_text.h"
#include "patina/run/forecast.h"
#include "patina/run/grid.h"
#include "patina/run/run_folder.h"

namespace patina {

std::vector<std::string> with_seed(const fs::path& recipe,
                                   const std::vector<std::string>& overrides, int64_t seed) {
  Recipe read = read_recipe(recipe, overrides);
  std::vector<std::string> all;
  for (const auto& option : option_keys([&](Fields& f) { read.bind(f); }))
    if (is_seed(option.key) &&
        option.whole.value_or(-1) >= 0)  // a negative one follows the recipe's
      all.push_back(fmt::format("{}={}", option.key, seed));
  all.insert(all.end(), overrides.begin(), overrides.end());
  return all;
}

std::string seed_folder(int64_t seed) {
  return fmt::format("seed_{}", seed);
}

void check_seeds(const std::vector<int64_t>& seeds) {
  for (size_t i = 0; i < seeds.size(); ++i)
    if (std::count(seeds.begin(), seeds.begin() + std::ptrdiff_t(i), seeds[i]) > 0)
      fail(ErrorKind::usage, "--seeds: {} is given twice", seeds[i]);
}

namespace {

// The combinations of the lists among some overrides, each with all overrides; of none, these
// alone.
struct Combination {
  std::vector<std::string> values;  // of lists
  std::vector<std::string> overrides;
};

std::vector<Combination> combinations_of(const std::vector<std::string>& overrides) {
  std::vector<GridKey> lists;
  std::vector<std::string> rest;
  for (const auto& text : overrides) {
    const size_t value = text.find('=') + 1;
    const size_t first = value == 0 ? text.npos : text.find_first_not_of(' ', value);
    if (first == text.npos || text[first] != '[') {
      rest.push_back(text);
      continue;
    }
    GridKey key = read_grid_key(text, /*bare=*/false);
    if (key.values.size() == 1)
      rest.push_back(key.values.front());
    else if (std::ranges::find(lists, key.name, &GridKey::name) != lists.end())
      fail(ErrorKind::usage, "{}: it has a list twice; name it once, with all its values",
           key.name);
    else
      lists.push_back(std::move(key));
  }
  std::vector<Combination> all;
  for (const auto& values : product(lists)) {
    all.push_back({values, rest});
    all.back().overrides.insert(all.back().overrides.end(), values.begin(), values.end());
  }
  return all;
}

PlannedRun planned_run(const fs::path& recipe, std::vector<std::string> overrides) {
  PlannedRun run;
  run.recipe = read_recipe(recipe, overrides);
  run.name = run.recipe.name;
  run.file = recipe;
  run.overrides = std::move(overrides);
  return run;
}

}  // namespace

std::vector<PlannedRun> planned(const SweepPlan& plan) {
  check_seeds(plan.seeds);
  const auto combinations = combinations_of(plan.overrides);
  std::vector<PlannedRun> runs;
  std::set<std::string> names;
  for (const auto& path : plan.recipes)
    for (const auto& [values, overrides] : combinations) {
      PlannedRun first = planned_run(path, overrides);
      fs::path folder = plan.out / first.name;
      if (!values.empty()) {
        const std::string below = folder_name_of(values);
        folder /= below;
        auto named = overrides;  // a run of its own in every table
        named.push_back("name=" + toml_string(first.name + " " + below));
        first = planned_run(path, std::move(named));
      }
      if (!names.insert(first.name).second)
        fail(ErrorKind::recipe,
             "{}: another recipe of this sweep has the same name, \"{}\": set a different `name` "
             "in one of them",
             path.string(), first.name);
      first.folder = folder;
      if (plan.seeds.empty()) {
        runs.push_back(std::move(first));
        continue;
      }
      for (const int64_t seed : plan.seeds) {
        runs.push_back(planned_run(path, with_seed(path, first.overrides, seed)));
        runs.back().folder = folder / seed_folder(seed);
      }
    }
  return runs;
}

void check_planned(const std::vector<PlannedRun>& runs) {
  std::set<std::string> tried;  // by name: runs of one name differ in seeds
  std::vector<std::pair<std::string, std::vector<std::string>>> mistakes;
  for (const auto& run : runs) {
    const RunFolder folder{run.folder};
    if (folder.used() || !tried.insert(run.name).second) continue;
    try {
      Recipe recipe = read_recipe(run.file, run.overrides);
      forecast(recipe, /*seconds=*/0);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::stopped) throw;
      auto at = std::ranges::find(mistakes, std::string(error.what()),
                                  &decltype(mistakes)::value_type::first);
      if (at == mistakes.end()) at = mistakes.insert(at, {error.what(), {}});
      at->second.push_back(run.name);
    }
  }
  if (mistakes.empty()) return;
  std::string text;
  for (const auto& [message, names] : mistakes)
    text += fmt::format("\n  {}: {}", fmt::join(names, ", "), message);
  fail(ErrorKind::recipe, "nothing was run, since some runs cannot:{}", text);
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
