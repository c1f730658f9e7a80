// `patina sweep`: several recipes, one table.
#include "patina/run/sweep.h"

#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "apps/patina/runs/planned_runs.h"
#include "patina/report/report.h"
#include "patina/report/seeds.h"

namespace patina::cli {

namespace {

// Writes summary.json and report.html beside the runs, and prints the table.
void show(const std::vector<SweptRun>& swept, const fs::path& out) {
  if (const auto folders = complete_folders(swept); !folders.empty()) {
    const auto runs = read_records(folders);
    write_text(out / "summary.json", summary(runs).dump(1) + "\n");
    write_text(out / "report.html", report_html(runs));
    fmt::print("{}\nsummary: {}\nreport: {}\n", summary_text(runs), (out / "summary.json").string(),
               (out / "report.html").string());
  }
  check_failures(swept);
}

}  // namespace

void add_sweep(Command& program) {
  struct Arguments {
    std::vector<std::string> recipes;
    std::string out = "runs/sweep";
    SweepPlan plan;
    int jobs = 1;
    bool no_cache = false, no_check = false;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command(
      "sweep", "Run several recipes, or one with several values, and compare them in one table");
  command.option("recipes", arguments->recipes, "TOML files; see recipes/").required();
  command.option("--out", arguments->out,
                 "Folder of the runs, the summary and the page (default: runs/sweep)");
  command.seeds(arguments->plan.seeds,
                "Run each recipe with each of these seeds, which draw everything random; the table "
                "then shows means and deviations");
  command.jobs(arguments->jobs);
  command.no_cache(arguments->no_cache);
  command.flag("--no-check", arguments->no_check,
               "Run at once: what cannot run fails when its turn comes, instead of stopping the "
               "sweep before its first run");
  command.overrides(arguments->plan.overrides);
  command.footer(
      "Complete runs are kept and interrupted runs are resumed, so the same command can be "
      "repeated after a crash\n"
      "or with more recipes. A failed run is reported at the end and does not stop the "
      "others.\n\n"
      "A list of values is one run for each of them, several lists are one for each combination, "
      "1000 at most:\n"
      "--set learner.projection=[500,1000] --set scenario.classes_per_task=[2,5] makes four runs "
      "of every recipe, in\n"
      "OUT/NAME/VALUES. Of an option that holds a list, the values are lists: --set "
      "model.hidden=[[100],[400,400]].\n"
      "`patina tune` chooses among values on a validation split; sweep compares all on the test "
      "split.\n\n"
      "Every run is checked before the first one begins, as `patina check` does it: options, "
      "weights, data and whether\n"
      "the learner can learn the stream.\n\n"
      "A seed of --seeds takes the place of seed, scenario.class_order_seed, "
      "scenario.stream_seed,\n"
      "data.domain_seed, data.split_seed and model.seed, whatever number a recipe gives. What it "
      "gives as -1 stays\n"
      "(the data's own class order, weights drawn by seed), as do an explicit "
      "scenario.class_order and all that --set gives:\n"
      "--set scenario.class_order_seed=1993 keeps one class order for all seeds.\n\n"
      "example: patina sweep recipes/fashion_mnist/simplecil.toml "
      "recipes/fashion_mnist/ranpac.toml --jobs 2 --out runs/sweep\n"
      "example: patina sweep recipes/fashion_mnist/ranpac.toml --set "
      "learner.projection=[500,1000] --out runs/widths");
  command.action([arguments] {
    SweepPlan& plan = arguments->plan;
    plan.recipes.assign(arguments->recipes.begin(), arguments->recipes.end());
    plan.out = arguments->out;
    stop_on_signals();
    auto runs = planned(plan);
    if (!arguments->no_check) check_planned(runs);
    show(run_planned(std::move(runs), arguments->jobs, arguments->no_cache), plan.out);
  });
}

}  // namespace patina::cli
