// The comparison as comma-separated values, LaTeX and Markdown: exact texts.
#include <gtest/gtest.h>

#include "fake_record.h"

namespace patina {
namespace {

// Two seeds of one recipe, and another recipe.
std::vector<RunRecord> seeded_runs() {
  std::vector<RunRecord> runs = {fake_run("ranpac"), fake_run("ranpac"), fake_run("finetune")};
  runs[0].label = "ranpac seed_1";
  runs[1].label = "ranpac seed_2";
  for (const size_t i : {0, 1}) {
    metric_in(runs[i], "last_accuracy") = i == 0 ? 0.90 : 0.92;
    metric_in(runs[i], "average_incremental_accuracy") = 0.95;
    metric_in(runs[i], "forgetting") = 0.03;
    metric_in(runs[i], "backward_transfer") = -0.03;
  }
  metric_in(runs[2], "last_accuracy") = 0.30;
  metric_in(runs[2], "average_incremental_accuracy") = 0.55;
  metric_in(runs[2], "forgetting") = 0.80;
  metric_in(runs[2], "backward_transfer") = std::nullopt;
  for (auto& run : runs) run.record.seconds.total = 60;
  return runs;
}

TEST(ReportMarkdown, HasMeansAndDeviationsAndTheBestInBold) {
  auto runs = seeded_runs();
  runs[2].record.name = "fine|tune*";
  EXPECT_EQ(
      report_markdown(runs),
      "CIFAR-100, class-incremental, 5 tasks, test split\n\n"
      "| Method | Runs | Last | Average | Forgetting | Backward transfer | Time |\n"
      "|---|---:|---:|---:|---:|---:|---:|\n"
      "| cifar100-ranpac | 2 | **91.0 ± 1.4** | **95.0 ± 0.0** | **3.0 ± 0.0** | -3.0 ± 0.0 | "
      "1 min 00 s |\n"
      "| fine\\|tune\\* | 1 | 30.0 | 55.0 | 80.0 | - | 1 min 00 s |\n");
}

TEST(ReportLatex, IsATableThatCompiles) {
  auto runs = seeded_runs();
  runs[2].record.name = "fine_tune 50% & more\\";
  EXPECT_EQ(report_latex(runs),
            "% needs \\usepackage{booktabs}\n"
            "\\begin{table}\n  \\centering\n  \\begin{tabular}{lrrrrr}\n    \\toprule\n"
            "    Method & Last & Average & Forgetting & Backward transfer & Time \\\\\n"
            "    \\midrule\n"
            "    cifar100-ranpac & \\textbf{\\boldmath $91.0\\pm1.4$} & "
            "\\textbf{\\boldmath $95.0\\pm0.0$} & \\textbf{\\boldmath $3.0\\pm0.0$} & "
            "$-3.0\\pm0.0$ & 1 min 00 s \\\\\n"
            "    fine\\_tune 50\\% \\& more\\textbackslash{} & 30.0 & 55.0 & 80.0 & -- & "
            "1 min 00 s \\\\\n"
            "    \\bottomrule\n  \\end{tabular}\n"
            "  \\caption{CIFAR-100, class-incremental, 5 tasks, test split}\n\\end{table}\n");
}

TEST(ReportMarkdown, AnInterruptedRunIsARowOfItsOwnAndNeverTheBest) {
  auto runs = seeded_runs();
  runs[1].record.status = "interrupted";
  const std::string text = report_markdown(runs);
  EXPECT_NE(text.find("| ranpac seed\\_2 (interrupted) | 1 | 92.0 |"), std::string::npos) << text;
  EXPECT_NE(text.find("| ranpac seed\\_1 | 1 | **90.0** |"), std::string::npos) << text;
  EXPECT_NE(text.find("- ranpac seed\\_2 was interrupted"), std::string::npos) << text;
}

TEST(ReportCsv, HasALineARunInTheRecordsUnits) {
  auto runs = seeded_runs();
  runs[0].label = "a \"quoted\", label";
  const std::string text = report_csv(runs);
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    ASSERT_NE(end, std::string::npos) << "a line without CR LF";
    lines.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("run,folder,recipe,learner,family,data,scenario,model,split,"));
  EXPECT_NE(lines[0].find(",tasks_learned,last_accuracy,"), std::string::npos);
  EXPECT_TRUE(
      lines[1].starts_with("\"a \"\"quoted\"\", label\",runs/ranpac,cifar100-ranpac,ranpac,"))
      << lines[1];
  EXPECT_NE(lines[1].find(",complete,0,1993,5,5,0.9,"), std::string::npos) << lines[1];
  EXPECT_NE(lines[3].find(",,"), std::string::npos) << "an undefined score is empty: " << lines[3];
  const auto fields = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  EXPECT_EQ(fields(lines[0]), fields(lines[2]));
  EXPECT_EQ(fields(lines[0]), fields(lines[3]));
}

}  // namespace
}  // namespace patina
