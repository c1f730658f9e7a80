// `patina list` and `patina explain`: lists of everything available, and descriptions.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "apps/patina/commands.h"
#include "apps/patina/start/needs.h"
#include "apps/patina/start/start_commands.h"
#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"
#include "patina/eval/anytime.h"
#include "patina/eval/matrix.h"
#include "patina/eval/text/text_metrics.h"
#include "patina/models/family.h"
#include "patina/report/run_list.h"
#include "patina/run/recipe.h"
#include "patina/run/run.h"
#include "patina/session/explanation.h"

namespace patina::cli {

namespace {

struct Row {
  std::string name, text;
  Json details;  // the content of --json besides the name
};
using Rows = std::vector<Row>;

void print(const Rows& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.name.size());
  for (const auto& row : rows) fmt::print("{:<{}}  {}\n", row.name, width, row.text);
}

// Networks that have no name of their own, but a folder.
void print_families() {
  std::vector<std::string> types;
  for (const Family& family : families()) types.emplace_back(family.model_type);
  fmt::print("\nAlso any folder whose config.json has one of these as model_type:\n{}\n",
             fmt::join(types, ", "));
}

void print_json(const Rows& rows) {
  Json list = Json::array();
  for (const auto& row : rows) {
    list.push_back({{"name", row.name}});
    list.back().update(row.details);
  }
  fmt::print("{}\n", list.dump(1));
}

// A recipe that cannot be read is a row, too.
Row row_of_recipe(const fs::path& path) {
  try {
    const Recipe recipe = read_recipe(path, {});
    const Need data = data_need(recipe), weights = weights_need(recipe);
    const LearnerRow& learner = recipe.learner.row();
    std::string missing;
    if (!data.found) missing += fmt::format("; data {} not found", data.name);
    if (!weights.found) missing += fmt::format("; weights {} not found", weights.name);
    const auto json = [](const Need& need) {
      return Json{{"name", need.name}, {"found", need.found}, {"how", need.how}};
    };
    return {path.string(),
            fmt::format("{} on {} ({}), {}{}", learner.name, data.name, recipe.scenario.name,
                        weights.name, missing.empty() ? "; ready" : missing),
            {{"recipe", recipe.name},
             {"learner", learner.name},
             {"about", learner.about},
             {"scenario", recipe.scenario.name},
             {"data", json(data)},
             {"weights", json(weights)},
             {"ready", data.found && weights.found}}};
  } catch (const Error& error) {
    const std::string said = error.what();
    return {path.string(),
            "it cannot be read: " + said.substr(0, said.find('\n')),
            {{"error", said}, {"ready", false}}};
  }
}

Rows recipe_rows(const std::string& folder) {
  Rows rows;
  for (const auto& path : recipes_below(folder.empty() ? recipe_folder() : fs::path(folder)))
    rows.push_back(row_of_recipe(path));
  return rows;
}

void print_missing(const Rows& rows) {
  std::map<std::string, std::string> ways;
  for (const auto& row : rows)
    for (const char* what : {"data", "weights"}) {
      if (!row.details.contains(what)) continue;
      const Json& need = row.details[what];
      if (need["found"].get<bool>()) continue;
      ways[fmt::format("{} {}", what, need["name"].get<std::string>())] =
          need["how"].get<std::string>();
    }
  if (ways.empty()) return;
  fmt::print("\nNot found here, and how to get it:\n");
  for (const auto& [what, how] : ways) fmt::print("  {}: {}\n", what, how);
}

std::string names_of(const Grant& grant) {
  const auto names = grant.names();
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

// In the order of learners.def, then those of plug-ins; they live as long as the process.
std::vector<std::reference_wrapper<const LearnerRow>> learners_with_plugins() {
  std::vector<std::reference_wrapper<const LearnerRow>> rows;
  for (const auto& name : learner_names()) rows.emplace_back(*find_learner(name));
  return rows;
}

Rows rows_of(const std::string& what) {
  Rows rows;
  if (what == "learners")
    for (const LearnerRow& row : learners_with_plugins())
      rows.push_back({row.name,
                      row.about + " " + row.paper + ".",
                      {{"family", row.family},
                       {"paper", row.paper},
                       {"about", row.about},
                       {"stores", row.stores},
                       {"differs", row.differs},
                       {"needs", row.needs.names()},
                       {"network", row.network.name},
                       {"epochs", row.training.epochs}}});
  if (what == "models")
    for (const auto& info : model_list())
      rows.push_back({info.name,
                      fmt::format("{}. Weights: {}.", info.about, info.how),
                      {{"about", info.about}, {"weights", info.how}}});
  if (what == "datasets")
    for (const auto& info : data_sets())
      rows.push_back({info.name,
                      fmt::format("{}. {}", info.about, info.how),
                      {{"about", info.about}, {"files", info.files}, {"how", info.how}}});
  if (what == "scenarios")
    for (const auto& info : scenario_list())
      rows.push_back({info.name,
                      fmt::format("{}; grants {}", info.about, names_of(info.grant)),
                      {{"about", info.about}, {"grants", info.grant.names()}}});
  const auto add_metric = [&](const auto& metric) {
    rows.push_back(
        {metric.name,
         metric.about,
         {{"about", metric.about}, {"formula", metric.formula}, {"source", metric.source}}});
  };
  if (what == "metrics") {
    for (const auto& metric : metrics()) add_metric(metric);
    for (const auto& metric : anytime_metrics()) add_metric(metric);
    for (const auto& metric : text_metrics()) add_metric(metric);
  }
  return rows;
}

template <class AnyMetric>
void explain_metric(const AnyMetric& metric) {
  fmt::print("{}: {}\n{}\n{}\n", metric.name, metric.about, metric.formula, metric.source);
}

// Each name with the function that prints its description, in the order of the lists.
std::vector<std::pair<std::string, std::function<void()>>> explanations() {
  std::vector<std::pair<std::string, std::function<void()>>> all;
  for (const LearnerRow& row : learners_with_plugins())
    all.emplace_back(row.name, [&row] { fmt::print("{}", explanation(row)); });
  for (const auto& info : model_list())
    all.emplace_back(info.name, [&info] {
      fmt::print("{}: {}\nWeights: {}\n", info.name, info.about, info.how);
      if (!info.normalize.empty()) fmt::print("Normalisation: {}\n", info.normalize);
    });
  for (const auto& info : data_sets())
    all.emplace_back(info.name, [&info] {
      fmt::print("{}: {}\nFiles: {}\nHow to get it: {}\n", info.name, info.about, info.files,
                 info.how);
    });
  for (const auto& info : scenario_list())
    all.emplace_back(info.name, [&info] {
      ScenarioOptions options;
      fmt::print("{}: {}\nGrants: {}\n\n[scenario]\n{}", info.name, info.about,
                 names_of(info.grant), reference_text(options));
    });
  const auto add_metrics = [&](const auto& list) {
    for (const auto& metric : list)
      all.emplace_back(metric.name, [&metric] { explain_metric(metric); });
  };
  add_metrics(metrics());
  add_metrics(anytime_metrics());
  add_metrics(text_metrics());
  all.emplace_back("recipe", [] {
    Recipe recipe;
    fmt::print("{}", reference_text(recipe));
  });
  return all;
}

void explain(const std::string& name) {
  for (const auto& [known, print_it] : explanations())
    if (known == name) return print_it();
  fail(ErrorKind::usage, "nothing is called \"{}\"{}; see `patina list`", name,
       did_you_mean(name, explained_names()));
}

}  // namespace

const std::vector<std::string>& list_names() {
  static const std::vector<std::string> names = {"learners",  "models",  "datasets",
                                                 "scenarios", "metrics", "recipes"};
  return names;
}

bool is_fixed_list(const std::string& name) {
  return name != "recipes";
}

std::vector<std::string> explained_names() {
  std::vector<std::string> names;
  for (const auto& [name, print_it] : explanations()) names.push_back(name);
  return names;
}

namespace {

void print_runs(const std::string& folder, bool json) {
  const auto runs = list_runs(folder.empty() ? "runs" : folder);
  if (!json) {
    if (runs.empty()) note(fmt::format("{}: no runs in it", folder.empty() ? "runs" : folder));
    fmt::print("{}", run_list_text(runs));
    return;
  }
  Json all = Json::array();
  for (const auto& run : runs) all.push_back(to_json(run));
  fmt::print("{}\n", all.dump(1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

void add_list(Command& program) {
  struct Arguments {
    std::string what, folder;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto names = list_names();
  names.emplace_back("runs");
  const auto list = program.command(
      "list", "List learners, models, datasets, scenarios, metrics, recipes, or runs");
  list.option("what", arguments->what,
              "learners, models, datasets, scenarios, metrics, recipes or runs")
      .one_of(names);
  list.option("folder", arguments->folder,
              "Of recipes and runs: where to look (default: recipes, runs)");
  list.flag("--json", arguments->json, "Print JSON with all details");
  list.footer(
      "Of every recipe in the folder: which data and weights it needs, and whether those are here. "
      "Of every run: its recipe, learner and state (running, finished, cut short), the tasks "
      "learned, last and average accuracy, time.\n\n"
      "example: patina list learners\n"
      "         patina list recipes recipes/fashion_mnist\n"
      "         patina list runs runs/");
  list.action([arguments, names] {
    const auto& [what, folder, json] = *arguments;
    if (what.empty()) fail(ErrorKind::usage, "list what? One of {}", fmt::join(names, ", "));
    if (what == "runs") return print_runs(folder, json);
    if (what != "recipes" && !folder.empty())
      fail(ErrorKind::usage, "only recipes and runs are in folders, not {}", what);
    const Rows rows = what == "recipes" ? recipe_rows(folder) : rows_of(what);
    (json ? print_json : print)(rows);
    if (json) return;
    if (what == "recipes") print_missing(rows);
    if (what == "models") print_families();
  });

  auto name = std::make_shared<std::string>();
  const auto command = program.command(
      "explain", "Explain a learner, model, data set, scenario or metric; or every option: recipe");
  command.option("name", *name, "A name of `patina list`, or recipe").required();
  command.footer("example: patina explain ranpac");
  command.action([name] { explain(*name); });
}

}  // namespace patina::cli
