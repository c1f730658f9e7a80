// The page and the terminal's table of three made-up runs.
#include "patina/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <regex>

#include "fake_record.h"
#include "patina/base/json.h"
#include "patina/report/comparison.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

std::vector<RunRecord> three_runs() {
  return {fake_run("finetune"), fake_run("simplecil"), fake_run("ranpac")};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

// clang-format off
constexpr const char* kTable =
    "learner    last acc   avg inc acc   forgetting     bwt          time   memory    trainable        stored\n"
    "finetune      29.1%         54.5%         79.4   -79.4   27 min 01 s   3.3 GB   85,875,556        76,900\n"
    "simplecil     80.0%         82.2%          2.9    -2.9    1 min 15 s*  1.3 GB*           0*       76,800*\n"
    "ranpac        92.2%*        94.0%*         2.8*   -2.8*   3 min 42 s   2.1 GB    1,190,400   102,190,400\n"
    "* the best of its column\n";
// clang-format on

TEST(ReportText, IsAnAlignedTable) {
  EXPECT_EQ(report_text(three_runs()), kTable);
}

TEST(ReportText, OneRunHasNoBest) {
  const std::string table = report_text({fake_run("ranpac")});
  EXPECT_FALSE(contains(table, "*"));
  EXPECT_EQ(count_of(table, "\n"), 2u);
}

// A run on texts: bits per byte of two tasks, and a drift.
RunRecord text_run(const std::string& label, double last) {
  RunRecord run = fake_run("simplecil");
  run.label = label;
  Record& record = run.record;
  record.tasks.resize(2);
  for (auto& task : record.tasks)
    task.probe = Record::Probe{.data_set = "python", .metric = "bits_per_byte", .better = "lower"};
  record.matrix = {{3.0, 3.5}, {2.0, 3.25}, {last, 1.5}};
  record.top5_matrix = {};
  record.accuracy_after_task.assign(2, std::nullopt);
  record.seconds.per_task.clear();
  record.parameters.stored_bytes_after_task.clear();
  metric_in(run, "last_accuracy") = (last + 1.5) / 2;
  metric_in(run, "forgetting") = last - 2;
  record.drift = {{0, 0, 2.5, 1.25}, {0.125, 0.125, 2.75, 1.375}, {0.25, 0.0625, 3, 1.5}};
  return run;
}

TEST(ReportText, OfTextsHasTheUnitsOfTheirMetrics) {
  const std::string table = report_text({text_run("sft", 2.5), text_run("replay", 2.25)});
  EXPECT_TRUE(std::regex_search(table, std::regex("sft +2.000 .* 0.500 "))) << table;
  EXPECT_TRUE(std::regex_search(table, std::regex("replay +1.875\\* .* 0.250\\*"))) << table;
  EXPECT_TRUE(contains(table,
                       "drift of sft: 0.250 nats a token from the base model; general text 1.500 "
                       "bits a byte, before 1.250\n"))
      << table;
}

TEST(ReportHtml, OfTextsHasScoresAndTheDrift) {
  const RunRecord run = text_run("sft", 2.5);
  EXPECT_EQ(parse_record(to_json(run.record), "text").matrix, run.record.matrix);
  const std::string page = report_html({run});
  EXPECT_TRUE(contains(page, "<h3>Score matrix</h3>"));
  EXPECT_TRUE(contains(page, ">2.500<"));
  EXPECT_TRUE(contains(page, "python: bits_per_byte"));
  EXPECT_TRUE(contains(page, "<h3>Drift</h3>"));
  EXPECT_FALSE(contains(report_html({fake_run("ranpac")}), "<h3>Drift</h3>"));
}

TEST(ReportText, UndefinedIsADashAndControlCharactersStayOut) {
  RunRecord run = fake_run("ranpac");
  run.label = "r\x1b[31m\xc2\x9bpac\xc3\xa9";
  metric_in(run, "forgetting") = std::nullopt;
  std::erase_if(run.record.metrics,
                [](const auto& metric) { return metric.first == "backward_transfer"; });
  const std::string table = report_text({run});
  EXPECT_TRUE(contains(table, "r?[31m?pac\xc3\xa9 ")) << table;
  EXPECT_TRUE(std::regex_search(table, std::regex(" - +- +3 min"))) << table;
}

TEST(Comparison, MarksTheBestOfCompleteComparableRuns) {
  auto runs = three_runs();
  auto table = compare(runs);
  const auto marks = [&](size_t column) {
    std::string all;
    for (const auto& row : table) all += row[column].best ? '*' : '.';
    return all;
  };
  EXPECT_EQ(marks(0), "..*");  // last accuracy, higher is better
  EXPECT_EQ(marks(4), ".*.");  // total time, lower is better
  EXPECT_EQ(marks(6), ".*.");  // trainable parameters

  runs[1].record.status = "interrupted";
  table = compare(runs);
  EXPECT_EQ(marks(4), "..*");

  runs[0].record.seconds.total = runs[2].record.seconds.total;
  table = compare(runs);
  EXPECT_EQ(marks(4), "...") << "equal runs: none is best";

  runs = three_runs();
  runs[0].record.data.name = "ImageNet-R";
  table = compare(runs);
  EXPECT_EQ(marks(0), "...");
}

TEST(Comparison, CautionsSayWhyNumbersMayNotCompare) {
  EXPECT_TRUE(cautions(three_runs()).empty());
  auto runs = three_runs();
  runs[0].record.status = "interrupted";
  runs[0].record.matrix[5].clear();
  runs[1].record.class_order[0] = 99;
  runs[1].record.data.skipped = 1200;
  runs[2].record.model.hash = "other";
  EXPECT_EQ(cautions(runs),
            (std::vector<std::string>{"finetune was interrupted after 4 of 5 tasks.",
                                      "The runs learned the classes in different orders.",
                                      "The runs start from different model weights.",
                                      "simplecil left out 1,200 samples that could not be read."}));
  runs[2].record.scenario.name = "online";
  EXPECT_EQ(cautions(runs)[1],
            "The runs differ in data, scenario or number of tasks: their numbers do not compare.");
}

TEST(Comparison, AValidationSplitIsNamedAsOne) {
  auto runs = three_runs();
  runs[1].record.evaluated_on = "validation";
  EXPECT_EQ(cautions(runs),
            (std::vector<std::string>{"Some runs were evaluated on a validation split, others on "
                                      "the test split: their numbers do not compare."}));
  for (const auto& row : compare(runs))
    for (const auto& cell : row) EXPECT_FALSE(cell.best);
  EXPECT_TRUE(contains(report_text(runs), "\nsimplecil (validation)  "));
  EXPECT_FALSE(contains(report_text(runs), "\nranpac (validation)"));
  for (auto& run : runs) run.record.evaluated_on = "validation";
  EXPECT_EQ(cautions(runs),
            (std::vector<std::string>{
                "Evaluated on a validation split, which was held out of the training samples: "
                "numbers to choose by, not to report."}));
  const std::string html = report_html(runs);
  EXPECT_TRUE(contains(html, "<span class=\"badge\">validation</span>"));
  EXPECT_TRUE(contains(html, "Percent on each task's validation samples"));
  EXPECT_TRUE(contains(html, ">Validation samples</th>"));
  EXPECT_FALSE(contains(html, "test samples"));
}

TEST(Comparison, SaysWhichValuesWereChosen) {
  auto runs = three_runs();
  runs[2].record.chosen =
      Record::Chosen{.values = {"learner.projection=2000", "training.lr=0.1"},
                     .candidates = {"learner.projection=1000,2000", "training.lr=0.1,1"},
                     .combinations = 4,
                     .by = "last_accuracy",
                     .score = 0.5,
                     .validation_percent = 10};
  EXPECT_EQ(cautions(runs),
            (std::vector<std::string>{
                "ranpac: learner.projection=2000, training.lr=0.1 chosen of "
                "learner.projection=1000,2000; training.lr=0.1,1 by last_accuracy on a validation "
                "split of 10 percent of the training samples."}));
  EXPECT_TRUE(contains(report_html(runs), "Chosen on a validation split"));
}

TEST(Comparison, PercentHasNoNegativeZeroAndNoUndefinedNumber) {
  EXPECT_EQ(percent(.86349), "86.3");
  EXPECT_EQ(percent(-.175, 2), "-17.50");
  EXPECT_EQ(percent(-.0001), "0.0");
  EXPECT_EQ(percent(0.0), "0.0");
  EXPECT_EQ(percent(std::nullopt), "-");
}

TEST(ReportHtml, HoldsEveryLabelAndNumber) {
  const auto runs = three_runs();
  const std::string html = report_html(runs);
  write_text(scratch_folder("report") / "page.html", html);
  EXPECT_TRUE(contains(html, "<title>CIFAR-100, class-incremental - patina report</title>"));
  EXPECT_TRUE(contains(html, "<style>\n/*")) << "styled";
  EXPECT_TRUE(contains(html, "<h1>CIFAR-100, class-incremental</h1>"));
  for (const char* part : {"3 runs", "5 tasks", "100 classes", "Comparison", "Accuracy matrix",
                           "Resolved recipe", "AMD EPYC 9654", "1.13.0", "g++ 12.2.0", "1993"})
    EXPECT_TRUE(contains(html, part)) << part;
  for (const auto& run : runs) {
    EXPECT_TRUE(contains(html, run.label));
    EXPECT_TRUE(contains(html, "name = &quot;" + run.label + "&quot;")) << "recipe";
    EXPECT_TRUE(contains(html, run.record.learner.paper));
    for (int after = 0; after <= 5; ++after)
      for (int task = 0; task < 5; ++task) {
        const std::string text = percent(accuracy_matrix(run).at(after, task));
        EXPECT_TRUE(contains(html, ">" + text + "</td>")) << run.label << after << task;
      }
    for (const auto& [name, value] : run.record.metrics) {
      EXPECT_TRUE(
          contains(html, "<th scope=\"row\">" + name + "</th><td>" + percent(value, 2) + "</td>"))
          << name;
    }
    for (const auto& row : compare(runs))
      for (const auto& cell : row) EXPECT_TRUE(contains(html, cell.text)) << cell.text;
  }
  EXPECT_TRUE(contains(html, "R[T][j] - R[j][j]")) << "formula";
  EXPECT_EQ(count_of(html, "class=\"heat\""), 3u);
  EXPECT_EQ(count_of(html, "<section class=\"run\""), 3u);
  EXPECT_EQ(count_of(html, "class=\"learned"), 15u) << "the diagonal of each matrix";
}

TEST(ReportHtml, DrawsTheAnytimeCurveOfStreamsThatComeOnce) {
  auto runs = three_runs();
  EXPECT_FALSE(contains(report_html(runs), "data-chart=\"anytime\""));
  runs[1].record.anytime = {{.samples = 1000, .classes = 3, .accuracy = 0.3},
                            {.samples = 2500, .classes = 7, .accuracy = std::nullopt}};
  const std::string page = report_html(runs);
  EXPECT_EQ(count_of(page, "data-chart=\"anytime\""), 1u);
  EXPECT_TRUE(contains(page, "<th scope=\"row\">simplecil</th><td>1,000</td><td>30.0</td>"));
  EXPECT_TRUE(contains(page, "<td>2,500</td><td>-</td>"));
}

// The numbers that the page's script draws.
Json drawn(const std::string& html) {
  const std::string open = "id=\"report-data\">";
  const size_t from = html.find(open) + open.size();
  return parse_json(html.substr(from, html.find("</script", from) - from), "the charts' data");
}

TEST(ReportHtml, AveragesTheSeedsOfARecipe) {
  auto runs = three_runs();
  runs.push_back(runs[2]);
  runs[3].label = "ranpac seed_2";
  runs[3].record.accuracy_after_task[4] = *runs[2].record.accuracy_after_task[4] + 0.02;
  metric_in(runs[3], "last_accuracy") = *metric_of(runs[2], "last_accuracy") + 0.02;
  runs[2].record.anytime = runs[3].record.anytime = {{.samples = 10, .accuracy = 0.4}};
  runs[2].record.anytime.push_back({.samples = 20, .accuracy = 0.5});
  runs[3].record.anytime[0].accuracy = 0.6;
  runs[3].record.anytime.push_back({.samples = 25, .accuracy = 0.7});
  runs[0].record.status = "interrupted";
  const std::string html = report_html(runs), row = "<th scope=\"row\">cifar100-ranpac</th>";
  EXPECT_TRUE(contains(html, row + "<td>2</td><td>93.2 ± 1.4</td>"));
  EXPECT_EQ(count_of(html, "href=\"#run-"), 4u) << "a row for each run";

  const Json data = drawn(html);
  ASSERT_EQ(data["series"].size(), 3u);
  const Json& ranpac = data["series"][1];
  EXPECT_EQ(ranpac["label"], "cifar100-ranpac, 2 seeds");
  const double last = *runs[2].record.accuracy_after_task[4];
  EXPECT_NEAR(ranpac["accuracy"]["mean"][4].get<double>(), last + 0.01, 1e-12);
  EXPECT_NEAR(ranpac["accuracy"]["deviation"][4].get<double>(), 0.01 * std::sqrt(2), 1e-12);
  EXPECT_EQ(ranpac["accuracy"]["deviation"][3], 0);
  EXPECT_EQ(ranpac["anytime"]["samples"], Json({10})) << "the curves part there";
  EXPECT_NEAR(ranpac["anytime"]["mean"][0].get<double>(), 0.5, 1e-12);
  EXPECT_EQ(data["series"][0]["label"], "cifar100-simplecil");
  EXPECT_EQ(data["series"][0]["accuracy"]["deviation"][0], nullptr);
  EXPECT_EQ(data["series"][2]["label"], "finetune") << "interrupted";
  EXPECT_EQ(data["series_of_run"], Json({2, 0, 1, 1}));

  EXPECT_FALSE(contains(report_html(three_runs()), "Over seeds"));
  EXPECT_EQ(drawn(report_html(three_runs()))["series_of_run"], Json({0, 1, 2}));
  const std::string text = report_text(runs);
  EXPECT_TRUE(contains(text, "over seeds:\n") && contains(text, "93.2 ± 1.4")) << text;
}

TEST(ReportHtml, LoadsNothing) {
  const std::string html = report_html(three_runs());
  EXPECT_FALSE(std::regex_search(html, std::regex("<link|<iframe|<img|<object|@import|url\\(")));
  EXPECT_FALSE(std::regex_search(html, std::regex("\\s(src|href)\\s*=\\s*[\"']?(https?:)?//")));
  EXPECT_FALSE(std::regex_search(html, std::regex("<script[^>]*\\ssrc")));
  EXPECT_TRUE(contains(html, "default-src 'none'"));
  EXPECT_TRUE(contains(html, "Chart.js v3"));
  // The data, Chart.js and page.js, and nothing inside them ends one early.
  EXPECT_EQ(count_of(html, "</script"), 3u);
  EXPECT_EQ(count_of(html, "</html>"), 1u);
}

TEST(ReportHtml, EscapesEveryString) {
  // Replaces each string of the record by markup; none may survive.
  const std::string markup = "<script>alert('x')</script>\"><b>&";
  const std::function<void(Json&)> poison = [&](Json& json) {
    if (json.is_string()) json = markup;
    if (json.is_array() || json.is_object())
      for (auto& inner : json) poison(inner);
  };
  RunRecord run = fake_run("ranpac");
  Json json = to_json(run.record);
  poison(json);
  json["metrics"][markup] = .5;
  json["metric_formulas"][markup] = markup;
  json["status"] = "interrupted";
  json["evaluated_on"] = "validation";
  run.record = parse_record(json, "poisoned");
  run.label = markup;
  const std::string html = report_html({run});
  EXPECT_FALSE(contains(html, "<script>alert"));
  EXPECT_FALSE(contains(html, "\"><b>"));
  EXPECT_TRUE(
      contains(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&gt;&lt;b&gt;&amp;"));
  EXPECT_TRUE(contains(html, "\\u003cscript>alert")) << "the charts' JSON";
  EXPECT_EQ(count_of(html, "</script"), 3u);
}

TEST(ReportHtml, ShowsUndefinedAsADashAndInterruptedRuns) {
  RunRecord run = fake_run("ranpac");
  run.label = "ranpac \xff";  // a folder's name need not be UTF-8
  run.record.status = "interrupted";
  for (int row : {3, 4, 5}) run.record.matrix[size_t(row)].clear();
  for (int task : {2, 3, 4}) run.record.accuracy_after_task[size_t(task)].reset();
  run.record.seconds.per_task.clear();
  run.record.parameters.stored_bytes_after_task.clear();
  const std::string html = report_html({run});
  EXPECT_TRUE(contains(html, "was interrupted after 2 of 5 tasks."));
  EXPECT_EQ(count_of(html, " none\" style"), 15u + 5 + 4 + 3) << "rows 3 to 5, and tasks to come";
  EXPECT_TRUE(contains(html, "title=\"task 1 after task 5: -\">-</td>"));
  EXPECT_TRUE(contains(html, "title=\"task 2 before learning: -\">-</td>"));
  EXPECT_TRUE(contains(html, "title=\"task 3 after task 2: -\">-</td>"));
  EXPECT_FALSE(contains(html, "nan"));
}

TEST(ReportHtml, HeadsRunsOnDifferentDataByTheirNumber) {
  auto runs = three_runs();
  runs[1].record.data.name = "ImageNet-R";
  runs[2].record.model.name = "vit_tiny";
  const std::string html = report_html(runs);
  EXPECT_TRUE(contains(html, "<h1>3 runs</h1>"));
  EXPECT_TRUE(contains(html, "<li>5 tasks</li>"));
  EXPECT_FALSE(contains(html, "<li>vit_"));
  EXPECT_FALSE(contains(html, "is the best of its column"));
  EXPECT_TRUE(contains(html, "their numbers do not compare"));
  EXPECT_TRUE(contains(report_html(three_runs()), "is the best of its column"));
}

TEST(ReportHtml, ManyTasksGiveACompactMap) {
  RunRecord run = fake_run("ranpac");
  Record& record = run.record;
  record.tasks.assign(40, Record::Task(record.tasks[0]));
  record.matrix.assign(41, std::vector<Score>(40, .5));
  record.top5_matrix.clear();
  record.accuracy_after_task.assign(40, .5);
  EXPECT_NO_THROW(parse_record(to_json(record), "r.json"));
  const std::string html = report_html({run});
  EXPECT_TRUE(contains(html, "class=\"heat dense\""));
  EXPECT_TRUE(contains(html, "title=\"task 7 before learning: 50.0\"></td>"));
}

}  // namespace
}  // namespace patina
