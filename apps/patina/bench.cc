// `patina bench`: the speed of patina's computations compared with plain implementations.
#include <fmt/ranges.h>

#include <algorithm>

#include "apps/patina/commands.h"
#include "bench/report.h"
#include "bench/stopwatch.h"
#include "patina/base/cores.h"
#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/progress.h"
#include "patina/kernels/isa.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string out;
  std::vector<std::string> only;
  bool quick = false;
};

std::vector<bench::Scenario> chosen(const std::vector<std::string>& only) {
  std::vector<std::string> names;
  for (const auto& scenario : bench::scenarios()) names.push_back(scenario.name);
  for (const auto& name : only)
    if (std::ranges::count(names, name) == 0)
      fail(ErrorKind::usage, "no scenario is called \"{}\"{}; there are {}", name,
           did_you_mean(name, names), fmt::join(names, ", "));
  std::vector<bench::Scenario> list;
  for (const auto& scenario : bench::scenarios())
    if (only.empty() || std::ranges::count(only, scenario.name) > 0) list.push_back(scenario);
  return list;
}

void warn_of_load(const Json& load) {
  const int cores = usable_cores();
  if (!load.empty() && load[0].get<double>() > 0.5 * cores)
    fmt::print(
        stderr,
        "patina: other programs keep this machine busy (load {:.1f} on {} cores): the ratios "
        "will be off\n",
        load[0].get<double>(), cores);
}

void warn_of_instructions() {
  if (!kernels::bf16_is_faster())
    fmt::print(
        stderr,
        "patina: this processor multiplies no faster in bf16 than in fp32: a run computes in fp32 "
        "here\n");
}

void run_scenarios(const Arguments& arguments, bool quiet) {
  const auto scenarios = chosen(arguments.only);
  // Checked now, so that an unwritable path is reported before minutes of measurements.
  if (fs::is_directory(arguments.out))
    fail(ErrorKind::file, "{}: is a folder; --out names a file", arguments.out);
  std::optional<AtomicFile> out;
  if (!arguments.out.empty()) out.emplace(arguments.out);
  Work silent;  // no progress output during measurements
  const WorkScope scope(&silent);

  Json record = {{"schema", 1}, {"quick", arguments.quick}, {"machine", bench::about_machine()}};
  record["load_average"] = {{"before", bench::load_average()}};
  if (!quiet && !arguments.quick) warn_of_load(record["load_average"]["before"]);
  if (!quiet) warn_of_instructions();
  record["scenarios"] = Json::array();
  for (size_t i = 0; i < scenarios.size(); ++i) {
    const bench::Scenario& scenario = scenarios[i];
    if (!quiet) fmt::print(stderr, "bench {}/{}: {}\n", i + 1, scenarios.size(), scenario.name);
    fmt::print("{}: {}\n", scenario.name, scenario.about);
    std::fflush(stdout);
    std::vector<bench::Case> cases;
    const double seconds = bench::seconds([&] {
      scenario.run(arguments.quick, [&](bench::Case one) {
        fmt::print("{}", bench::text_of(one, arguments.quick));
        std::fflush(stdout);
        cases.push_back(std::move(one));
      });
    });
    if (!quiet) fmt::print(stderr, "bench: {} took {}\n", scenario.name, format_seconds(seconds));
    record["scenarios"].push_back(bench::json_of(scenario, cases, arguments.quick));
    record["scenarios"].back()["seconds"] = seconds;
  }
  record["load_average"]["after"] = bench::load_average();
  if (arguments.quick) fmt::print("--quick: sizes at which these ratios say nothing\n");
  if (out) {
    out->write(record.dump(1) + "\n");
    out->commit();
  }
}

}  // namespace

void add_bench(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("bench",
                      "Time patina on this machine against straightforward implementations "
                      "in the same process");
  command.option("--out", arguments->out, "Also write everything measured to this JSON file")
      .type("FILE.json");
  std::string names;
  for (const auto& scenario : bench::scenarios())
    names += (names.empty() ? "" : ", ") + scenario.name;
  command.option("--only", arguments->only, "Run only these scenarios: " + names).type("NAME");
  command.flag("--quick", arguments->quick,
               "Small sizes, once: checks that everything runs, not how fast");
  command.footer(
      "All implementations run in turn, five rounds or more if the time allows, and their medians "
      "are compared.\nA scenario takes up to two minutes and needs the whole machine. "
      "docs/benchmarks.md explains the ratios.\nexample: patina bench --only forward");
  command.action([program, arguments] { run_scenarios(*arguments, program.given("--quiet")); });
}

}  // namespace patina::cli
