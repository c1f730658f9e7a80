// One run on the page: its accuracy matrix as a heat map, its tasks, metrics, recipe and machine.
#include <algorithm>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"

namespace patina::page {
namespace {

constexpr int kMostTasksBesideMetrics = 10;  // a wider heat map has the row to itself
constexpr int kMostNumberedTasks = 25;  // a larger heat map shows colours only, numbers on hover

std::string matrix_cell(const Record& run, const ScoreMatrix& matrix, int after, int task,
                        bool numbered) {
  const Score score = matrix.at(after, task);
  const std::string text = score_text(run, score);
  std::string classes = after == task + 1 ? "learned" : after <= task ? "ahead" : "";
  if (!score) classes += " none";
  return heat_cell(classes, shade(run, matrix, after, task),
                   fmt::format("{}: {}",
                               after == 0 ? fmt::format("task {} before learning", task + 1)
                                          : fmt::format("task {} after task {}", task + 1, after),
                               text),
                   numbered ? text : "");
}

std::string heat_map(const RunRecord& run) {
  const ScoreMatrix matrix = accuracy_matrix(run);
  const bool words = matrix.tasks() <= kMostTasksBesideMetrics;
  const bool numbered = matrix.tasks() <= kMostNumberedTasks;
  std::string head = "<th scope=\"col\">after</th>";
  for (int task = 1; task <= matrix.tasks(); ++task)
    head += fmt::format("<th scope=\"col\">{}{}</th>", words ? "task " : "",
                        numbered ? std::to_string(task) : "");
  std::string rows;
  for (int after = 0; after <= matrix.tasks(); ++after) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>",
                        after == 0 ? "before" : fmt::format("task {}", after));
    for (int task = 0; task < matrix.tasks(); ++task)
      rows += matrix_cell(run.record, matrix, after, task, numbered);
    rows += "</tr>\n";
  }
  if (run.record.is_of_texts())
    return fmt::format(
        "<h3>Score matrix</h3><p class=\"about\">Each task's metric on its {} samples; a row per "
        "stage of the stream, framed where a task was just learned; deeper is better within a "
        "column.</p><div class=\"scroll\" tabindex=\"0\"><table "
        "class=\"heat{}\"><thead><tr>{}</tr></thead>"
        "<tbody>\n{}</tbody></table></div>",
        split_of(run.record), numbered ? "" : " dense", head, rows);
  return fmt::format(
      "<h3>Accuracy matrix</h3><p class=\"about\">Percent on each task's {} samples; a row per "
      "stage of the stream, framed where a task was just learned; a dash where the learner could "
      "not be asked.</p><div class=\"scroll\"><table "
      "class=\"heat{}\"><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>",
      split_of(run.record), numbered ? "" : " dense", head, rows);
}

std::string metrics_table(const Record& run) {
  std::string rows;
  for (const auto& [name, value] : run.metrics) {
    const auto found = std::ranges::find(run.metric_formulas, name, &NamedTexts::value_type::first);
    const std::string formula = found == run.metric_formulas.end() ? "" : escape(found->second);
    rows += fmt::format(
        "<tr title=\"{0}\"><th scope=\"row\">{1}</th>{2}<td class=\"formula\">{0}</td></tr>\n",
        formula, escape(name), cell(score_text(run, value, 2)));
  }
  const char* about = run.is_of_texts()
                          ? "In the units of the tasks' metrics; R[i][j] is the score on task j"
                          : "In percent or percentage points; R[i][j] is the accuracy on task j";
  return fmt::format("<h3>Metrics</h3><p class=\"about\">{} after i tasks.</p>", about) +
         "<div class=\"scroll\" tabindex=\"0\"><table class=\"numbers "
         "metrics\"><thead><tr><th scope=\"col\">Metric</th><th scope=\"col\">Value</th>"
         "<th scope=\"col\" class=\"formula\">Formula</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>";
}

std::string join_names(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + escape(name);
  return all;
}

std::string task_table(const RunRecord& run) {
  const Record& record = run.record;
  const ScoreMatrix matrix = accuracy_matrix(run);
  const auto& times = record.seconds.per_task;
  const auto& stored = record.parameters.stored_bytes_after_task;
  std::string rows;
  for (int i = 0; i < matrix.tasks(); ++i) {
    const auto at = static_cast<size_t>(i);
    const Record::Task& task = record.tasks[at];
    const std::string names = task.probe ? escape(task.probe->data_set + ": " + task.probe->metric)
                                         : join_names(task.classes);
    const auto time = [&](double Record::TaskSeconds::*part) {
      return at < times.size() ? cell(format_seconds(times[at].*part), "", times[at].*part)
                               : cell("-");
    };
    rows += fmt::format("<tr><th scope=\"row\">{}</th>{}", i + 1,
                        cell(task.classes.size() ? std::to_string(task.classes.size()) : "-"));
    rows += cell(format_count(task.train_samples));
    rows += cell(format_count(task.test_samples));
    rows += cell(score_text(record, record.accuracy_after_task[at]));
    rows += cell(score_text(record, task_forgetting(matrix, tasks_learned(run), i)));
    rows += time(&Record::TaskSeconds::train) + time(&Record::TaskSeconds::evaluate);
    rows += at < stored.size() ? cell(format_bytes(uint64_t(stored[at])), "", double(stored[at]))
                               : cell("-");
    rows += fmt::format("<td class=\"names\" title=\"{0}\">{0}</td></tr>\n", names);
  }
  const std::string split = record.is_validation() ? "Validation" : "Test";
  std::string head =
      head_row({"Task", "Classes", "Train samples", split + " samples", "Accuracy, seen classes",
                "Forgetting at the end", "Train", "Evaluate", "Stored"});
  head += fmt::format("<th scope=\"col\" class=\"names\">{}</th>",
                      record.is_of_texts() ? "Data and metric" : "Class names");
  return "<h3>Tasks</h3>" + sortable_table(head, rows);
}

std::string fact(std::string_view term, std::string_view html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, html);
}

std::string circumstances(const Record& run) {
  const auto& [name, train_samples, test_samples, skipped] = run.data;
  const Record::Machine& machine = run.machine;
  const Record::Parameters& parameters = run.parameters;
  std::string order;
  for (const int64_t c : run.class_order) order += (order.empty() ? "" : " ") + std::to_string(c);
  std::string facts;
  facts += fact("CPU", escape(machine.cpu));
  facts +=
      fact("Cores, threads", format_count(machine.cores) + ", " + format_count(machine.threads));
  facts += fact("Memory", format_bytes(uint64_t(machine.memory_bytes)));
  facts += fact("Device", escape(machine.device));
  facts += fact("patina", escape(run.versions.patina));
  facts += fact("LibTorch", escape(run.versions.libtorch));
  facts += fact("Compiler", escape(run.versions.compiler));
  facts += fact("Model", escape(run.model.name) + " <code>" + escape(run.model.hash) + "</code>");
  facts += fact("Image size", format_count(run.model.image_size));
  facts += fact("Data", fmt::format("{}: {} train, {} {}, {} skipped", escape(name),
                                    format_count(train_samples), format_count(test_samples),
                                    split_of(run), format_count(skipped)));
  if (run.chosen)
    facts +=
        fact("Chosen on a validation split",
             fmt::format("{} of {}, {} combinations, by {}: {}", join_names(run.chosen->values),
                         join_names(run.chosen->candidates), run.chosen->combinations,
                         escape(run.chosen->by), percent(run.chosen->score, 2)));
  facts += fact("Scenario grants", join_names(run.scenario.granted));
  facts += fact("Parameters",
                fmt::format("{} total, {} trainable, {} stored", format_count(parameters.total),
                            format_count(parameters.trainable), format_count(parameters.stored)));
  facts += fact("Seed", std::to_string(run.seeds.seed));
  facts += fact("Class order seed", std::to_string(run.seeds.class_order_seed));
  facts += fact("Class order", "<code>" + order + "</code>");
  return "<details><summary>Machine, versions, seeds</summary><dl>\n" + facts + "</dl></details>";
}

}  // namespace

std::string run_section(const RunRecord& run, size_t number) {
  const Record& record = run.record;
  std::string html = fmt::format(
      "<section class=\"run\" id=\"run-{0}\"><h2><span class=\"swatch\" data-run=\"{0}\"></span>{1}"
      "{2}</h2><p class=\"about\">{3}; {4}</p>\n",
      number, escape(run.label), badges(run), escape(record.learner.family),
      escape(record.learner.paper));
  html += task_count(run) > kMostTasksBesideMetrics ? "<div><div>" : "<div class=\"pair\"><div>";
  html += heat_map(run) + "</div><div>" + metrics_table(record) + "</div></div>\n" +
          task_table(run) + "\n" + drift_of_run(record) + inside_of_run(record) +
          classes_of_run(run);
  html += "<details><summary>Resolved recipe</summary><pre>" + escape(record.recipe) +
          "</pre></details>\n";
  return html + circumstances(record) + "</section>\n";
}

}  // namespace patina::page
