// `patina report`: several runs on one page.
#include "patina/report/report.h"

#include <fmt/core.h>

#include "apps/patina/commands.h"

namespace patina::cli {

void add_report(Command& program) {
  struct Arguments {
    std::vector<std::string> runs;
    std::string out;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("report", "Compare runs: a table, and one HTML page that opens offline");
  command.option("runs", arguments->runs, "Folders of runs or of sweeps, or a record.json")
      .required();
  command.option("-o,--out", arguments->out, "Path of the page");
  command.footer(
      "Where a recipe was run with several seeds, charts and a second table show means and "
      "deviations.\n"
      "example: patina report runs/mine -o report.html");
  command.action([arguments] {
    const auto runs = read_records({arguments->runs.begin(), arguments->runs.end()});
    fmt::print("{}", report_text(runs));
    if (arguments->out.empty()) return;
    const fs::path page = arguments->out;
    if (page.has_parent_path()) make_folder(page.parent_path());
    write_text(page, report_html(runs));
    fmt::print("report: {}\n", page.string());
  });
}

}  // namespace patina::cli
