// `patina report`: several runs on one page.
#include "patina/report/report.h"

#include <fmt/core.h>

#include "apps/patina/commands.h"

namespace patina::cli {

void add_report(Command& program) {
  struct Arguments {
    std::vector<std::string> runs;
    std::string out, csv, latex, markdown;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("report", "Compare runs: a table, and one HTML page that opens offline");
  command.option("runs", arguments->runs, "Folders of runs or of sweeps, or a record.json")
      .required();
  command.option("-o,--out", arguments->out, "Path of the page");
  command.option("--csv", arguments->csv,
                 "Write a line a run with every metric and cost, as comma-separated values");
  command.option("--latex", arguments->latex,
                 "Write a LaTeX table: a row a recipe, means and deviations over its seeds");
  command.option("--markdown", arguments->markdown, "Write the same table as Markdown");
  command.footer(
      "Where a recipe was run with several seeds, charts and a second table show means and "
      "deviations.\n"
      "example: patina report runs/mine -o report.html\n"
      "         patina report runs/mine --latex table.tex");
  command.action([arguments] {
    const auto runs = read_records({arguments->runs.begin(), arguments->runs.end()});
    fmt::print("{}", report_text(runs));
    const auto write = [](const char* what, const fs::path& path, const std::string& text) {
      if (path.has_parent_path()) make_folder(path.parent_path());
      write_text(path, text);
      fmt::print("{}: {}\n", what, path.string());
    };
    if (!arguments->csv.empty()) write("csv", arguments->csv, report_csv(runs));
    if (!arguments->latex.empty()) write("latex", arguments->latex, report_latex(runs));
    if (!arguments->markdown.empty()) write("markdown", arguments->markdown, report_markdown(runs));
    if (!arguments->out.empty()) write("report", arguments->out, report_html(runs));
  });
}

}  // namespace patina::cli
