#include "patina/run/tune.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/random.h"
#include "patina/config/option_keys.h"
#include "patina/config/override.h"
#include "patina/config/recipe_file.h"
#include "patina/config/toml_text.h"
#include "patina/eval/anytime.h"
#include "patina/record/record.h"
#include "patina/run/grid.h"
#include "patina/run/run_folder.h"

namespace patina {

namespace {

constexpr int64_t kLargestGrid = 1000000;  // of which combinations are drawn
constexpr size_t kMostMistakes = 20;       // printed

// What decides on which samples and how a run is measured, or what its seeds are: runs that differ
// in it do not compare, and choosing among them is choosing the easiest.
constexpr const char* kNotTuned[] = {"name", "data",   "scenario", "evaluation",
                                     "run",  "engine", "chosen"};

// Mistakes of recipes that are read with one combination after the other: what is said of several
// values is listed once, with all of them.
class Mistakes {
 public:
  void add(std::string_view text, const std::vector<std::string>& values) {
    for (size_t from = 0; from <= text.size();) {
      const size_t end = std::min(text.find('\n', from), text.size());
      add_line(text.substr(from, end - from), values);
      from = end + 1;
    }
  }
  void check() const {
    if (said_.empty()) return;
    std::vector<std::string> lines;
    for (const auto& [message, values] : said_) {
      if (lines.size() == kMostMistakes) {
        lines.push_back(fmt::format("and {} more", said_.size() - kMostMistakes));
        break;
      }
      lines.push_back(values.empty() ? message
                                     : fmt::format("{}: {}", fmt::join(values, ", "), message));
    }
    fail(ErrorKind::recipe, "{}", fmt::join(lines, "\n"));
  }

 private:
  void add_line(std::string_view line, const std::vector<std::string>& values) {
    std::string message(line);
    std::string of;
    for (const auto& value : values) {
      const std::string label = fmt::format("--set {}: ", shortened(value, 120));
      if (!line.starts_with(label)) continue;
      message = line.substr(label.size());
      of = value;
    }
    auto at = std::ranges::find(said_, message, &Said::first);
    if (at == said_.end()) at = said_.insert(at, {message, {}});
    if (!of.empty() && std::ranges::count(at->second, of) == 0) at->second.push_back(of);
  }

  using Said = std::pair<std::string, std::vector<std::string>>;
  std::vector<Said> said_;
};

Score metric_of(const Record& record, const std::string& name) {
  const auto found = std::ranges::find(record.metrics, name, &NamedScores::value_type::first);
  return found == record.metrics.end() ? std::nullopt : found->second;
}

}  // namespace

Tuning::Tuning(TunePlan plan) : plan_(std::move(plan)) {
  check_seeds(plan_.seeds);
  Recipe recipe = read_recipe(plan_.recipe, plan_.overrides);
  holds_out_itself_ = recipe.data.validation_percent > 0;
  validation_percent_ = plan_.validation_percent > 0 ? plan_.validation_percent
                        : holds_out_itself_          ? recipe.data.validation_percent
                                                     : kValidationPercent;
  check_metric(recipe);
  read_keys();
  read_trials(combinations(recipe.seed));
  check_final_runs();
}

void Tuning::check_metric(const Recipe& recipe) {
  const auto lower = [&](const auto& metric) {
    return metric.about.find("Lower is better") != std::string::npos;
  };
  std::vector<std::string> names;
  for (const auto& metric : metrics()) {
    names.push_back(metric.name);
    if (metric.name != plan_.by) continue;
    lower_is_better_ = lower(metric);
    return;
  }
  for (const auto& metric : anytime_metrics()) {
    names.push_back(metric.name);
    if (metric.name != plan_.by) continue;
    lower_is_better_ = lower(metric);
    for (const auto& scenario : scenario_list())
      if (scenario.name == recipe.scenario.name && scenario.grant.many_passes)
        fail(ErrorKind::usage, "{} is measured while a single-pass stream flows, and {} is none",
             plan_.by, scenario.name);
    return;
  }
  fail(ErrorKind::usage, "there is no metric \"{}\" of a run{} (`patina list metrics` shows all)",
       plan_.by, did_you_mean(plan_.by, names));
}

void Tuning::read_keys() {
  if (plan_.candidates.empty())
    fail(ErrorKind::usage,
         "nothing to choose: name a key with its values, as in training.lr=0.01,0.1");
  std::set<std::string> set;
  for (const auto& change : plan_.overrides) {
    const Override setting = split_override(change);
    set.insert(setting.section.empty() ? setting.key : setting.section + "." + setting.key);
  }
  for (const auto& candidate : plan_.candidates) {
    GridKey key = read_grid_key(candidate, /*bare=*/true);
    const std::string section = key.name.substr(0, key.name.find('.'));
    const bool fixed = std::ranges::find(kNotTuned, section) != std::end(kNotTuned);
    if (fixed || is_seed(key.name))
      fail(ErrorKind::usage,
           "{}: {} is not tuned, since runs that differ in it do not compare; tune [learner], "
           "[training], [model] and the transforms, and set the rest with --set",
           key.name, fixed ? section : key.name);
    if (set.contains(key.name))
      fail(ErrorKind::usage, "{}: it is tuned and given by --set; leave out one", key.name);
    if (std::ranges::find(keys_, key.name, &GridKey::name) != keys_.end())
      fail(ErrorKind::usage, "{}: it is there twice; name it once, with all its values", key.name);
    if (key.values.size() == 1)
      fail(ErrorKind::usage, "{}: one value is no choice; name several, or use --set {}", candidate,
           candidate);
    keys_.push_back(std::move(key));
  }
}

std::vector<std::vector<std::string>> Tuning::combinations(int64_t seed) const {
  int64_t grid = 1;
  for (const auto& key : keys_)
    grid = std::min(grid * int64_t(key.values.size()), kLargestGrid + 1);
  const bool draws = plan_.random > 0 && plan_.random < grid;
  if (grid > kLargestGrid || (draws ? plan_.random : grid) > kMostCombinations) {
    const std::string count =
        grid > kLargestGrid ? fmt::format("more than {}", kLargestGrid) : fmt::format("{}", grid);
    fail(ErrorKind::usage,
         "{} combinations: at most {} are run, drawn of at most {}; name fewer values, or draw "
         "some of them with --random",
         count, kMostCombinations, kLargestGrid);
  }
  std::vector<int64_t> places(size_t(grid), 0);
  std::iota(places.begin(), places.end(), int64_t{0});
  if (draws) {
    places = Seeds(uint64_t(seed))("tune").permutation(grid);
    places.resize(size_t(plan_.random));
    std::ranges::sort(places);
  }
  std::vector<std::vector<std::string>> all;
  for (int64_t place : places) {
    std::vector<std::string> values(keys_.size());
    for (size_t k = keys_.size(); k-- > 0; place /= int64_t(keys_[k].values.size()))
      values[k] = keys_[k].values[size_t(place) % keys_[k].values.size()];
    all.push_back(std::move(values));
  }
  return all;
}

Trial Tuning::read_trial(const std::vector<std::string>& values) const {
  Trial trial{.values = values, .folders = {}, .recipes = {}};
  for (const auto& run : seeded(values)) {
    Recipe recipe = read_recipe(plan_.recipe, run.overrides);
    trial.folders.push_back(run.folder);
    trial.recipes.push_back(to_toml(recipe));
  }
  return trial;
}

void Tuning::read_trials(const std::vector<std::vector<std::string>>& combinations) {
  Mistakes mistakes;
  std::map<std::string, const std::vector<std::string>*> met;  // by the resolved recipe
  for (const auto& values : combinations) {
    try {
      Trial trial = read_trial(values);
      const auto [place, fresh] = met.emplace(trial.recipes.front(), &values);
      for (size_t k = 0; !fresh && k < values.size(); ++k)
        if (const auto& other = (*place->second)[k]; other != values[k])
          fail(ErrorKind::usage, "{} and {} are the same value", other, values[k]);
      trials_.push_back(std::move(trial));
    } catch (const Error& error) {
      mistakes.add(error.what(), values);
    }
  }
  mistakes.check();
}

std::vector<fs::path> Tuning::folders(const fs::path& folder) const {
  if (plan_.seeds.empty()) return {folder};
  std::vector<fs::path> all;
  for (const int64_t seed : plan_.seeds) all.push_back(folder / seed_folder(seed));
  return all;
}

std::vector<Tuning::Seeded> Tuning::seeded(const fs::path& recipe, const fs::path& folder,
                                           const std::vector<std::string>& overrides) const {
  std::vector<Seeded> all;
  for (const auto& one : folders(folder)) all.push_back({one, overrides});
  for (size_t i = 0; i < plan_.seeds.size(); ++i)
    all[i].overrides = with_seed(recipe, overrides, plan_.seeds[i]);
  return all;
}

std::vector<Tuning::Seeded> Tuning::seeded(const std::vector<std::string>& values) const {
  auto overrides = plan_.overrides;
  overrides.push_back("data.validation_percent=" + toml_number(validation_percent_));
  overrides.insert(overrides.end(), values.begin(), values.end());
  return seeded(plan_.recipe, plan_.out / "validation" / folder_name_of(values), overrides);
}

std::vector<PlannedRun> Tuning::validation_runs() const {
  std::vector<PlannedRun> runs;
  for (const auto& trial : trials_)
    for (auto& run : seeded(trial.values)) {
      Recipe recipe = read_recipe(plan_.recipe, run.overrides);
      runs.push_back({recipe.name, run.folder, std::move(recipe), plan_.recipe, run.overrides});
    }
  return runs;
}

Score Tuning::score(const Trial& trial) const {
  double sum = 0;
  for (size_t i = 0; i < trial.folders.size(); ++i) {
    const RunFolder folder{trial.folders[i]};
    if (!folder.complete(folder.text_of(RunMode::resume, trial.recipes[i]))) return {};
    const std::string file = folder.record().string();
    const Score score = metric_of(parse_record(parse_json(read_text(file), file), file), plan_.by);
    if (!score) return {};
    sum += *score;
  }
  return sum / double(trial.folders.size());
}

size_t Tuning::best(const std::vector<Score>& scores) const {
  size_t best = scores.size();
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i]) continue;
    if (best == scores.size() ||
        (lower_is_better_ ? *scores[i] < *scores[best] : *scores[i] > *scores[best]))
      best = i;
  }
  if (best == scores.size())
    fail(ErrorKind::state, "{} is undefined for every combination: choose by another metric",
         plan_.by);
  return best;
}

fs::path Tuning::write_recipe(const Trial& trial, double score) const {
  auto settings = plan_.overrides;
  if (holds_out_itself_) settings.push_back("data.validation_percent=0");
  settings.insert(settings.end(), trial.values.begin(), trial.values.end());
  // Sections in order of appearance, the top level first; of a key that is set twice the last.
  std::vector<std::pair<std::string, std::vector<Override>>> sections = {{"", {}}};
  for (const auto& text : settings) {
    const Override setting = split_override(text);
    auto at = std::ranges::find(sections, setting.section, &decltype(sections)::value_type::first);
    if (at == sections.end()) at = sections.insert(at, {setting.section, {}});
    std::erase_if(at->second, [&](const Override& other) { return other.key == setting.key; });
    at->second.push_back(setting);
  }
  std::string text = fmt::format(
      "# Written by `patina tune`: the best {} of {} combinations, compared on a validation split "
      "of\n# {:g} percent of each class's training samples. The test split was not read.\nbase = "
      "{}\n",
      plan_.by, trials_.size(), validation_percent_,
      toml_string(fs::relative(plan_.recipe, plan_.out).string()));
  for (const auto& [section, keys] : sections) {
    if (!section.empty()) text += fmt::format("\n[{}]\n", section);
    for (const auto& setting : keys) text += fmt::format("{} = {}\n", setting.key, setting.value);
  }
  ChosenValues chosen{.values = trial.values,
                      .candidates = plan_.candidates,
                      .combinations = int64_t(trials_.size()),
                      .by = plan_.by,
                      .score = score,
                      .validation_percent = validation_percent_};
  text += "\n[chosen]\n" + to_toml(chosen);
  make_folder(plan_.out);
  write_text(chosen_recipe(), text);
  return chosen_recipe();
}

std::vector<PlannedRun> Tuning::final_runs() const {
  auto overrides = plan_.overrides;  // seeds that they set stay as they are
  overrides.emplace_back("data.validation_percent=0");
  std::vector<PlannedRun> runs;
  for (auto& run : seeded(chosen_recipe(), plan_.out / "final", overrides)) {
    Recipe recipe = read_recipe(chosen_recipe(), run.overrides);
    runs.push_back({recipe.name, run.folder, std::move(recipe), chosen_recipe(), run.overrides});
  }
  return runs;
}

void Tuning::check_final_runs() const {
  for (const auto& path : folders(plan_.out / "final")) {
    const RunFolder folder{path};
    if (!fs::exists(folder.recipe())) continue;
    const ChosenValues before = read_recipe(folder.recipe(), {}).chosen;
    if (before.candidates.empty())
      fail(ErrorKind::state,
           "{} has a run whose values were not chosen: move it away, or use another --out",
           path.string());
    if (before.candidates != plan_.candidates || before.by != plan_.by ||
        before.combinations != int64_t(trials_.size()) ||
        before.validation_percent != validation_percent_)
      fail(ErrorKind::state,
           "{} was chosen of other candidates ({}, by {}): move it away, or use another --out",
           path.string(), fmt::join(before.candidates, "; "), before.by);
  }
}

}  // namespace patina
