#include "patina/run/sweep.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <set>

#include "patina/base/error.h"
#include "patina/base/thread_pool.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"
#include "patina/run/run_folder.h"

namespace patina {

namespace {

// The keys of a recipe's seeds, except those that are -1.
class SeedKeys : public Fields {
 public:
  std::vector<std::string> take() { return std::move(keys_); }

 protected:
  void visit(const FieldInfo& info, int64_t& value) override {
    const bool seed = info.key == "seed" || info.key.ends_with("_seed");
    if (!seed || value < 0) return;
    std::string key;
    for (const auto& section : sections_) key += section + ".";
    keys_.push_back(key + std::string(info.key));
  }
  void visit(const FieldInfo&, bool&) override {}
  void visit(const FieldInfo&, double&) override {}
  void visit(const FieldInfo&, std::string&) override {}
  void visit(const FieldInfo&, std::vector<int64_t>&) override {}
  void visit(const FieldInfo&, std::vector<double>&) override {}
  void visit(const FieldInfo&, std::vector<std::string>&) override {}
  bool enter(std::string_view key, std::string_view) override {
    sections_.emplace_back(key);
    return true;
  }
  void leave() override { sections_.pop_back(); }

 private:
  std::vector<std::string> keys_, sections_;
};

}  // namespace

std::vector<std::string> with_seed(const fs::path& recipe,
                                   const std::vector<std::string>& overrides, int64_t seed) {
  Recipe read = read_recipe(recipe, overrides);
  SeedKeys keys;
  read.bind(keys);
  std::vector<std::string> all;
  for (const auto& key : keys.take()) all.push_back(fmt::format("{}={}", key, seed));
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

std::vector<PlannedRun> planned(const SweepPlan& plan) {
  check_seeds(plan.seeds);
  std::vector<PlannedRun> runs;
  std::set<std::string> names;
  for (const auto& path : plan.recipes) {
    const auto add = [&](const fs::path& below, const std::vector<std::string>& overrides) {
      PlannedRun& run = runs.emplace_back();
      run.recipe = read_recipe(path, overrides);
      run.file = path;
      run.overrides = overrides;
      run.name = run.recipe.name;
      run.folder = plan.out / run.name;
      if (!below.empty()) run.folder /= below;
    };
    if (plan.seeds.empty()) add({}, plan.overrides);
    for (const int64_t seed : plan.seeds)
      add(seed_folder(seed), with_seed(path, plan.overrides, seed));
    if (!names.insert(runs.back().name).second)
      fail(ErrorKind::recipe,
           "{}: another recipe of this sweep has the same name, \"{}\": set a different `name` "
           "in one of them",
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
