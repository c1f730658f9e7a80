// The HTML page: comparison, charts over all runs, then one section a run.
//
// One file, nothing loaded: the style, the script and Chart.js come out of the binary, and a
// content security policy in the page forbids the rest.
#include "patina/report/page.h"

#include <algorithm>
#include <utility>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/report.h"
#include "patina/report/seeds.h"

extern "C" {
extern const unsigned char patina_chart_js[], patina_chart_js_end[];
extern const unsigned char patina_page_css[], patina_page_css_end[];
extern const unsigned char patina_page_js[], patina_page_js_end[];
}

namespace patina {
namespace page {

std::string escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string badges(const RunRecord& run) {
  std::string all;
  if (interrupted(run)) all += " <span class=\"badge\">interrupted</span>";
  if (run.record.is_validation()) all += " <span class=\"badge\">validation</span>";
  return all;
}

std::string cell(std::string_view html, std::string_view classes) {
  return classes.empty() ? fmt::format("<td>{}</td>", html)
                         : fmt::format("<td class=\"{}\">{}</td>", classes, html);
}

}  // namespace page

namespace {

using page::cell;
using page::escape;

// The parts of a run's time, in the order of the tables and the chart.
constexpr double Record::Seconds::*kPhases[] = {&Record::Seconds::load, &Record::Seconds::train,
                                                &Record::Seconds::evaluate,
                                                &Record::Seconds::checkpoint};

std::string embedded(const unsigned char* begin, const unsigned char* end) {
  return {reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(end)};
}

// A script element ends at the first "</script", even inside a string; "<!--" would hide the end.
std::string script_text(std::string text) {
  for (const auto& [from, to] : {std::pair{"</script", "<\\/script"}, {"<!--", "<\\!--"}})
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += 2)
      text.replace(at, std::string_view(from).size(), to);
  return text;
}

std::string json_text(const Json& json) {
  std::string text;
  // A label may hold a folder's name, which need not be UTF-8.
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace))
    c == '<' ? text += "\\u003c" : text += c;
  return text;
}

double other_seconds(const Record::Seconds& seconds) {
  double rest = seconds.total;
  for (const auto phase : kPhases) rest -= seconds.*phase;
  return std::max(rest, 0.0);
}

// What a chart draws as one line or bar: a run, or the runs of a recipe with several seeds.
struct Series {
  std::string label;
  std::vector<const RunRecord*> runs;
};

std::vector<Series> series_of(const std::vector<RunRecord>& runs) {
  std::vector<Series> all;
  const auto groups = seed_groups(runs);
  const bool averaged = over_seeds(groups);
  if (averaged)
    for (const auto& group : groups)
      all.push_back({group.runs.size() > 1
                         ? fmt::format("{}, {} seeds", group.name, group.runs.size())
                         : group.name,
                     group.runs});
  for (const auto& run : runs)
    if (!averaged || interrupted(run)) all.push_back({run.label, {&run}});
  return all;
}

// Means of a value with an index, as many as every run has; with deviations, if there are several
// runs.
template <class Values>
Json means(const Series& series, Values values) {
  std::vector<std::vector<Score>> of_runs;
  size_t count = SIZE_MAX;
  for (const auto* run : series.runs) {
    of_runs.push_back(values(*run));
    count = std::min(count, of_runs.back().size());
  }
  Json mean = Json::array(), deviation = Json::array();
  for (size_t i = 0; i < count; ++i) {
    std::vector<Score> scores;
    for (const auto& list : of_runs) scores.push_back(list[i]);
    const auto all = spread(scores);
    mean.push_back(all ? Json(all->mean) : Json(nullptr));
    deviation.push_back(all && all->runs > 1 ? Json(all->deviation) : Json(nullptr));
  }
  return {{"mean", mean}, {"deviation", deviation}};
}

// By the samples seen, as far as all runs were tested after the same ones.
Json anytime(const Series& series) {
  std::vector<int64_t> samples;
  for (const auto& point : series.runs[0]->record.anytime) samples.push_back(point.samples);
  for (const auto* run : series.runs) {
    const auto& points = run->record.anytime;
    size_t same = 0;
    while (same < std::min(samples.size(), points.size()) && samples[same] == points[same].samples)
      ++same;
    samples.resize(same);
  }
  Json json = means(series, [&](const RunRecord& run) {
    std::vector<Score> scores;
    for (size_t i = 0; i < samples.size(); ++i) scores.push_back(run.record.anytime[i].accuracy);
    return scores;
  });
  json["samples"] = samples;
  return json;
}

std::vector<Score> forgetting_of_tasks(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  std::vector<Score> forgetting;
  for (int task = 0; task < matrix.tasks(); ++task)
    forgetting.push_back(task_forgetting(matrix, tasks_learned(run), task));
  return forgetting;
}

std::vector<Score> seconds_of_phases(const RunRecord& run) {
  std::vector<Score> seconds;
  for (const auto phase : kPhases) seconds.emplace_back(run.record.seconds.*phase);
  seconds.emplace_back(other_seconds(run.record.seconds));
  return seconds;
}

// Also, for each run, in which series it is.
Json chart_data(const std::vector<RunRecord>& runs) {
  Json data = {{"series", Json::array()}, {"series_of_run", Json::array()}};
  const auto all = series_of(runs);
  for (const auto& series : all)
    data["series"].push_back(
        {{"label", series.label},
         {"accuracy",
          means(series, [](const RunRecord& run) { return run.record.accuracy_after_task; })},
         {"anytime", anytime(series)},
         {"forgetting", means(series, forgetting_of_tasks)},
         {"seconds", means(series, seconds_of_phases)}});
  for (const auto& run : runs)
    for (size_t i = 0; i < all.size(); ++i)
      if (std::ranges::count(all[i].runs, &run) > 0) data["series_of_run"].push_back(i);
  return data;
}

// What all runs share is the page's heading; with runs on different data it is just their number.
std::string heading(const std::vector<RunRecord>& runs) {
  const auto title = [](const RunRecord& run) {
    return fmt::format("{}, {}", run.record.data.name, run.record.scenario.name);
  };
  for (const auto& run : runs)
    if (title(run) != title(runs[0])) return fmt::format("{} runs", runs.size());
  return runs.empty() ? "No runs" : title(runs[0]);
}

// The fact, when it holds for every run; a page need not repeat it for each.
template <class Fact>
std::string shared_fact(const std::vector<RunRecord>& runs, Fact fact) {
  for (const auto& run : runs)
    if (fact(run.record) != fact(runs[0].record)) return "";
  return runs.empty() ? "" : fmt::format("<li>{}</li>", escape(fact(runs[0].record)));
}

std::string masthead(const std::vector<RunRecord>& runs) {
  std::string facts = fmt::format("<li>{} {}</li>", runs.size(), runs.size() == 1 ? "run" : "runs");
  facts += shared_fact(runs,
                       [](const Record& run) { return fmt::format("{} tasks", run.tasks.size()); });
  facts += shared_fact(
      runs, [](const Record& run) { return fmt::format("{} classes", run.class_order.size()); });
  facts += shared_fact(runs, [](const Record& run) { return run.model.name; });
  return fmt::format(
      "<header><p class=\"brand\">patina report</p><h1>{}</h1><ul class=\"facts\">{}</ul>"
      "</header>\n",
      escape(heading(runs)), facts);
}

std::string comparison(const std::vector<RunRecord>& runs) {
  std::string head = "<th scope=\"col\">Learner</th>";
  for (const auto& column : comparison_columns())
    head += fmt::format("<th scope=\"col\" title=\"{}\">{}&nbsp;<span class=\"way\">{}</span></th>",
                        escape(column.about), escape(column.title),
                        column.higher_is_better ? "&uarr;" : "&darr;");
  const auto table = compare(runs);
  bool marked = false;
  std::string rows;
  for (size_t i = 0; i < runs.size(); ++i) {
    rows += fmt::format(
        "<tr><th scope=\"row\"><a href=\"#run-{0}\"><span class=\"swatch\" data-run=\"{0}\"></span>"
        "{1}</a>{2}<small>{3}</small></th>",
        i, escape(runs[i].label), page::badges(runs[i]), escape(runs[i].record.learner.family));
    for (const auto& value : table[i]) {
      marked |= value.best;
      rows += value.best ? cell(fmt::format("<strong>{}</strong><span role=\"img\" class=\"mark\" "
                                            "title=\"best\" aria-label=\"best\"> &#9679;</span>",
                                            value.text),
                                "best")
                         : cell(value.text);
    }
    rows += "</tr>\n";
  }
  std::string notes;
  for (const auto& sentence : cautions(runs)) notes += fmt::format("<li>{}</li>", escape(sentence));
  if (!notes.empty()) notes = "<ul class=\"cautions\">" + notes + "</ul>";
  return fmt::format(
      "<section id=\"comparison\"><h2>Comparison</h2>{}<div class=\"scroll\"><table "
      "class=\"numbers\"><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>"
      "<p class=\"legend\">Arrows show the better direction{}.</p></section>\n",
      notes, head, rows,
      marked ? "; <span class=\"mark\">&#9679;</span> is the best of its column" : "");
}

// Means and deviations, where a recipe was run with several seeds.
std::string seeds_section(const std::vector<RunRecord>& runs) {
  const auto groups = seed_groups(runs);
  if (!over_seeds(groups)) return "";
  std::string rows;
  for (const auto& group : groups) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>{}", escape(group.name),
                        cell(std::to_string(group.runs.size())));
    for (const char* metric :
         {"last_accuracy", "average_incremental_accuracy", "forgetting", "backward_transfer"})
      rows += cell(group.text(metric));
    rows += cell(format_seconds(group.seconds().value_or(Spread{}).mean)) + "</tr>\n";
  }
  return "<section id=\"seeds\"><h2>Over seeds</h2><p class=\"about\">Mean and standard deviation "
         "of a recipe's complete runs: accuracies in percent, scores of texts in their own "
         "unit.</p><div class=\"scroll\">"
         "<table class=\"numbers\"><thead><tr><th scope=\"col\">Recipe</th><th scope=\"col\">Runs"
         "</th><th scope=\"col\">Last accuracy</th><th scope=\"col\">Average incremental accuracy"
         "</th><th scope=\"col\">Forgetting</th><th scope=\"col\">Backward transfer</th>"
         "<th scope=\"col\">Mean time</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div></section>\n";
}

std::string figure(std::string_view id, std::string_view title, std::string_view about,
                   std::string_view after = "") {
  return fmt::format(
      "<section id=\"{0}\"><h2>{1}</h2><p class=\"about\">{2}</p><figure><canvas role=\"img\" "
      "aria-label=\"{1}. {2}\" data-chart=\"{0}\"></canvas></figure>{3}</section>\n",
      id, title, about, after);
}

// A chart's numbers, for those who cannot see it, copy them, or have no script.
std::string folded_numbers(std::string_view head, std::string_view rows) {
  return fmt::format(
      "<details><summary>Numbers</summary><div class=\"scroll\"><table class=\"numbers\"><thead>"
      "<tr>{}</tr></thead><tbody>\n{}</tbody></table></div></details>",
      head, rows);
}

std::string accuracy_table(const std::vector<RunRecord>& runs) {
  int tasks = 0;
  for (const auto& run : runs) tasks = std::max(tasks, task_count(run));
  std::string head = "<th scope=\"col\">Learner</th>";
  for (int task = 1; task <= tasks; ++task) head += fmt::format("<th scope=\"col\">{}</th>", task);
  std::string rows;
  for (const auto& run : runs) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(run.label));
    for (const Score score : run.record.accuracy_after_task) rows += cell(percent(score));
    rows += "</tr>\n";
  }
  return folded_numbers(head, rows);
}

// While the stream flows, where there is such a curve.
std::string anytime_figure(const std::vector<RunRecord>& runs) {
  std::string rows;
  for (const auto& run : runs)
    for (const auto& point : run.record.anytime)
      rows += fmt::format("<tr><th scope=\"row\">{}</th>{}{}</tr>\n", escape(run.label),
                          cell(format_count(point.samples)), cell(percent(point.accuracy)));
  if (rows.empty()) return "";
  return figure("anytime", "Accuracy while the stream flows",
                fmt::format("Over the {} samples of all classes met so far, in percent, by the "
                            "samples seen.",
                            evaluated_split(runs)),
                folded_numbers("<th scope=\"col\">Learner</th><th scope=\"col\">Samples</th>"
                               "<th scope=\"col\">Accuracy</th>",
                               rows));
}

std::string cost_table(const std::vector<RunRecord>& runs) {
  std::string rows;
  for (const auto& run : runs) {
    const Record::Seconds& seconds = run.record.seconds;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(run.label));
    for (const auto phase : kPhases) rows += cell(format_seconds(seconds.*phase));
    rows += cell(format_seconds(other_seconds(seconds)));
    rows += cell(format_seconds(seconds.total));
    rows += cell(format_bytes(uint64_t(run.record.peak_memory_bytes)));
    const auto& stored = run.record.parameters.stored_bytes_after_task;
    rows += cell(stored.empty() ? "-" : format_bytes(uint64_t(stored.back()))) + "</tr>\n";
  }
  return fmt::format(
      "<div class=\"scroll\"><table class=\"numbers\"><thead><tr><th scope=\"col\">Learner</th>"
      "<th scope=\"col\">Load</th><th scope=\"col\">Train</th><th scope=\"col\">Evaluate</th>"
      "<th scope=\"col\">Checkpoint</th><th scope=\"col\">Other</th><th scope=\"col\">Total</th>"
      "<th scope=\"col\">Peak memory</th><th scope=\"col\">Stored at the end</th></tr></thead>"
      "<tbody>\n{}</tbody></table></div>",
      rows);
}

}  // namespace

std::string report_html(const std::vector<RunRecord>& runs) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
      "<title>{} - patina report</title>\n<style>\n{}</style>\n</head>\n<body>\n",
      escape(heading(runs)), embedded(patina_page_css, patina_page_css_end));
  html += masthead(runs) + "<main>\n" + comparison(runs) + seeds_section(runs);
  html +=
      "<noscript><p class=\"about\">The charts need JavaScript; every number is in the tables."
      "</p></noscript>\n";
  const std::string averaged = over_seeds(seed_groups(runs)) ? " Means over seeds." : "";
  const std::string bands =
      averaged.empty() ? "" : " Bands are one standard deviation wide to each side.";
  html += figure("accuracy", "Accuracy after each task",
                 fmt::format("Over the {} samples of all classes seen so far, in percent.{}{}",
                             evaluated_split(runs), averaged, bands),
                 accuracy_table(runs));
  html += anytime_figure(runs);
  html += "<div class=\"pair\">";
  html += figure("forgetting", "Forgetting of each task",
                 "Percentage points lost from a task's best to the end of the run." + averaged);
  html += figure("time", "Where the time goes", "Wall time of each run." + averaged);
  html +=
      "</div>\n<section id=\"cost\"><h2>Time and memory</h2>" + cost_table(runs) + "</section>\n";
  for (size_t i = 0; i < runs.size(); ++i) html += page::run_section(runs[i], i);
  html += "</main>\n<script type=\"application/json\" id=\"report-data\">";
  html += json_text(chart_data(runs)) + "</script>\n<script>\n";
  html += script_text(embedded(patina_chart_js, patina_chart_js_end)) + "\n</script>\n<script>\n";
  html +=
      script_text(embedded(patina_page_js, patina_page_js_end)) + "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace patina
