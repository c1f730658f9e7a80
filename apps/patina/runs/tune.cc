// `patina tune`: chooses hyper-parameters on a validation split, then tests the chosen ones once.
#include "patina/run/tune.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "apps/patina/commands.h"
#include "apps/patina/runs/planned_runs.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/config/toml_text.h"
#include "patina/report/comparison.h"
#include "patina/report/report.h"
#include "patina/report/seeds.h"
#include "patina/report/table.h"

namespace patina::cli {

namespace {

// The complete runs of each trial.
using Runs = std::vector<std::vector<RunRecord>>;

Runs runs_of(const Tuning& tuning, const std::vector<Score>& scores) {
  Runs runs;
  for (size_t i = 0; i < scores.size(); ++i)
    runs.push_back(scores[i] ? read_records(tuning.trials()[i].folders) : std::vector<RunRecord>());
  return runs;
}

std::string text_of(const std::vector<RunRecord>& runs, const std::string& metric) {
  if (runs.empty()) return "-";
  std::vector<Score> scores;
  for (const auto& run : runs) scores.push_back(metric_of(run, metric.c_str()));
  return text_of(spread(scores), runs.front().record);
}

// A row for each combination: its values, the metric it was compared by, and those that every table
// has.
std::string table_of(const Tuning& tuning, const Runs& runs, const std::string& by, size_t best) {
  std::vector<std::string> metrics = {"last_accuracy", "average_incremental_accuracy",
                                      "forgetting"};
  std::erase(metrics, by);
  metrics.insert(metrics.begin(), by);
  std::vector<std::vector<std::string>> rows(1);
  for (const auto& value : tuning.trials().front().values)
    rows[0].push_back(value.substr(0, value.find('=')));
  for (const auto& metric : metrics) rows[0].push_back(metric + " ");
  rows[0].emplace_back("time a run");
  for (size_t i = 0; i < runs.size(); ++i) {
    auto& row = rows.emplace_back();
    for (const auto& value : tuning.trials()[i].values)
      row.push_back(printable(value.substr(value.find('=') + 1)));
    for (size_t m = 0; m < metrics.size(); ++m)
      row.push_back(text_of(runs[i], metrics[m]) + (m == 0 && i == best ? "*" : " "));
    std::vector<Score> seconds;
    for (const auto& run : runs[i]) seconds.emplace_back(run.record.seconds.total);
    const auto time = spread(seconds);
    row.push_back(time ? format_seconds(time->mean) : "-");
  }
  return table(rows);
}

void write_summary(const Tuning& tuning, const Runs& runs, const std::vector<Score>& scores,
                   const std::string& by, size_t best, const fs::path& file) {
  Json trials = Json::array();
  for (size_t i = 0; i < scores.size(); ++i) {
    Json metrics = Json::object();
    for (const auto& run : runs[i])
      for (const auto& [name, value] : run.record.metrics)
        metrics[name].push_back(value ? Json(*value) : Json(nullptr));
    trials.push_back({{"values", tuning.trials()[i].values},
                      {"score", scores[i] ? Json(*scores[i]) : Json(nullptr)},
                      {"metrics", std::move(metrics)}});
  }
  const Json summary = {{"by", by},
                        {"evaluated_on", "validation"},
                        {"validation_percent", tuning.validation_percent()},
                        {"chosen", tuning.trials()[best].values},
                        {"trials", std::move(trials)}};
  write_text(file, summary.dump(1) + "\n");
}

struct TuneArguments {
  std::string recipe, out = "runs/tune";
  TunePlan plan;
  int jobs = 1;
  bool no_cache = false, no_final = false, skip_failed = false;
};

void choose(const Tuning& tuning, const TuneArguments& arguments) {
  const auto swept = run_planned(tuning.validation_runs(), arguments.jobs, arguments.no_cache);
  if (!arguments.skip_failed || complete_folders(swept).empty())
    check_failures(swept, ", and --skip-failed chooses without them");
  std::vector<Score> scores;
  for (const auto& trial : tuning.trials()) scores.push_back(tuning.score(trial));
  const size_t best = tuning.best(scores);
  const TunePlan& plan = arguments.plan;
  const Runs runs = runs_of(tuning, scores);
  const fs::path recipe = tuning.write_recipe(tuning.trials()[best], *scores[best]);
  write_summary(tuning, runs, scores, plan.by, best, plan.out / "summary.json");
  const fs::path page = plan.out / "report.html";
  write_text(page, report_html(read_records(complete_folders(swept))));
  fmt::print(
      "On a validation split, {:g} percent of each class's training samples; the test split was "
      "not read:\n\n{}* chosen by {}: {}\n",
      tuning.validation_percent(), table_of(tuning, runs, plan.by, best), plan.by,
      printable(fmt::format("{}", fmt::join(tuning.trials()[best].values, ", "))));
  const auto equal = std::ranges::count(scores, scores[best]);
  if (equal > 1)
    fmt::print("note: {} combinations have this score; the first of them was chosen.\n", equal);
  fmt::print("recipe: {}\nreport: {}\n", recipe.string(), page.string());
  std::fflush(stdout);  // the last run may take long
}

// On all training samples, with the test split.
void test(const Tuning& tuning, const TuneArguments& arguments) {
  const auto swept = run_planned(tuning.final_runs(), arguments.jobs, arguments.no_cache);
  check_failures(swept);
  const auto runs = read_records(complete_folders(swept));
  fmt::print("\nOn the test split, trained on all training samples:\n\n{}run: {}\n",
             runs.size() > 1 ? summary_text(runs) : report_text(runs),
             (arguments.plan.out / "final").string());
}

}  // namespace

void add_tune(Command& program) {
  auto arguments = std::make_shared<TuneArguments>();
  const auto command = program.command(
      "tune", "Choose hyper-parameters on a validation split, then test the chosen ones once");
  command.option("recipe", arguments->recipe, "A TOML file; see recipes/").required();
  command
      .option("candidates", arguments->plan.candidates,
              "The keys to tune, each with the values to try: training.lr=0.01,0.1, or as "
              "`patina sweep` writes it, training.lr=[0.01,0.1]. Every combination is run, 1000 at "
              "most")
      .required()
      .type("KEY=VALUE,VALUE...");
  command.option("--out", arguments->out,
                 "Folder of the runs, the chosen recipe, the summary and the page (default: "
                 "runs/tune)");
  command.option("--by", arguments->plan.by,
                 "The metric to choose by, a name of `patina list metrics`; the best is the "
                 "highest, or the lowest where lower is better (default: "
                 "average_incremental_accuracy)");
  command
      .option("--validation-percent", arguments->plan.validation_percent,
              "The part of each class's training samples to hold out while choosing (default: "
              "data.validation_percent of the recipe, or 10)")
      .check([](const std::string& text) {
        char* end = nullptr;
        const double percent = std::strtod(text.c_str(), &end);
        return *end == 0 && percent > 0 && percent < 100 ? "" : "it must be between 0 and 100";
      });
  command
      .option("--random", arguments->plan.random,
              "Run so many combinations, drawn with the recipe's seed, instead of all")
      .range(1, 1000);
  command.seeds(arguments->plan.seeds,
                "Run each combination, and the chosen one, with each of these seeds, which draw "
                "everything random; the metric is averaged over them");
  command.jobs(arguments->jobs);
  command.flag("--no-final", arguments->no_final, "Choose only: do not run the chosen recipe");
  command.flag("--skip-failed", arguments->skip_failed,
               "Choose among the combinations that ran, where others failed, as a learning rate "
               "that diverges does");
  command.no_cache(arguments->no_cache);
  command.overrides(arguments->plan.overrides);
  command.footer(
      "While choosing, part of the training samples is held out and evaluated on; the test split "
      "is not read.\n"
      "The best values are written to OUT/chosen.toml, a recipe over the tuned one. It is then "
      "run on all training\n"
      "samples and tested, in OUT/final, and its record says which values were chosen, and of "
      "what.\n"
      "Complete runs are kept and interrupted runs are resumed, so the same command can be "
      "repeated after a crash;\n"
      "with --no-final, values can be added.\n"
      "example: patina tune recipes/fashion_mnist/ranpac.toml learner.projection=500,1000 --out "
      "runs/projection\n"
      "example: patina tune my.toml training.lr=0.01,0.1 training.epochs=1,2 --set "
      "learner.name=finetune --by last_accuracy --no-final");
  command.action([arguments] {
    arguments->plan.recipe = arguments->recipe;
    arguments->plan.out = arguments->out;
    const Tuning tuning(arguments->plan);
    stop_on_signals();
    choose(tuning, *arguments);
    if (!arguments->no_final) test(tuning, *arguments);
  });
}

}  // namespace patina::cli
