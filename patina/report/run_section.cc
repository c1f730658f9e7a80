// One run on the page: its accuracy matrix as a heat map, its tasks, metrics, recipe and machine.
#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"

namespace patina::page {
namespace {

constexpr int kMostTasksBesideMetrics = 10;  // a wider heat map has the row to itself
constexpr double kInkTurns = 0.68;           // both inks of page.css have contrast 4.5 there
constexpr int kMostNumberedTasks = 25;  // a larger heat map shows colours only, numbers on hover

std::string text_of(const Json& value) {
  return escape(value.get<std::string>());
}

std::string heat_cell(Score score, int after, int task, bool numbered) {
  const std::string text = percent(score);
  std::string classes = after == task + 1 ? "learned" : after <= task ? "ahead" : "";
  if (score.value_or(0) > kInkTurns) classes += " strong";
  if (!score) classes += " none";
  return fmt::format("<td class=\"{}\" style=\"--v:{:.3f}\" title=\"{}: {}\">{}</td>", classes,
                     score.value_or(0),
                     after == 0 ? fmt::format("task {} before learning", task + 1)
                                : fmt::format("task {} after task {}", task + 1, after),
                     text, numbered ? text : "");
}

std::string heat_map(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
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
      rows += heat_cell(matrix.at(after, task), after, task, numbered);
    rows += "</tr>\n";
  }
  return fmt::format(
      "<h3>Accuracy matrix</h3><p class=\"about\">Percent on each task's test samples; a row per "
      "stage of the stream, framed where a task was just learned.</p><div class=\"scroll\"><table "
      "class=\"heat{}\"><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>",
      numbered ? "" : " dense", head, rows);
}

std::string metrics_table(const Json& run) {
  std::string rows;
  for (const auto& [name, value] : run["metrics"].items()) {
    const auto found = run["metric_formulas"].find(name);
    const std::string formula = found == run["metric_formulas"].end() ? "" : text_of(*found);
    rows += fmt::format(
        "<tr title=\"{0}\"><th scope=\"row\">{1}</th>{2}<td class=\"formula\">{0}</td></tr>\n",
        formula, escape(name), cell(percent(score_of(value), 2)));
  }
  return "<h3>Metrics</h3><p class=\"about\">In percent or percentage points; R[i][j] is the "
         "accuracy on task j after i tasks.</p><div class=\"scroll\"><table class=\"numbers "
         "metrics\"><thead><tr><th scope=\"col\">Metric</th><th scope=\"col\">Value</th>"
         "<th scope=\"col\" class=\"formula\">Formula</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>";
}

std::string join_names(const Json& names) {
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + text_of(name);
  return all;
}

std::string task_table(const RunRecord& run) {
  const Json& json = run.json;
  const AccuracyMatrix matrix = accuracy_matrix(run);
  const Json& times = json["seconds"]["per_task"];
  const Json& stored = json["parameters"]["stored_bytes_after_task"];
  std::string rows;
  for (int i = 0; i < matrix.tasks(); ++i) {
    const auto at = static_cast<size_t>(i);
    const Json& task = json["tasks"][at];
    const std::string names = join_names(task["classes"]);
    const auto time = [&](const char* phase) {
      return cell(at < times.size() ? format_seconds(times[at][phase].get<double>()) : "-");
    };
    rows +=
        fmt::format("<tr><th scope=\"row\">{}</th>{}", i + 1,
                    cell(task["classes"].size() ? std::to_string(task["classes"].size()) : "-"));
    rows += cell(format_count(task["train_samples"].get<int64_t>()));
    rows += cell(format_count(task["test_samples"].get<int64_t>()));
    rows += cell(percent(score_of(json["accuracy_after_task"][at])));
    rows += cell(percent(task_forgetting(matrix, tasks_learned(run), i)));
    rows += time("train") + time("evaluate");
    rows += cell(at < stored.size() ? format_bytes(stored[at].get<uint64_t>()) : "-");
    rows += fmt::format("<td class=\"names\" title=\"{0}\">{0}</td></tr>\n", names);
  }
  return "<h3>Tasks</h3><div class=\"scroll\"><table class=\"numbers\"><thead><tr>"
         "<th scope=\"col\">Task</th><th scope=\"col\">Classes</th><th scope=\"col\">Train samples"
         "</th><th scope=\"col\">Test samples</th><th scope=\"col\">Accuracy, seen classes</th>"
         "<th scope=\"col\">Forgetting at the end</th><th scope=\"col\">Train</th>"
         "<th scope=\"col\">Evaluate</th><th scope=\"col\">Stored</th>"
         "<th scope=\"col\" class=\"names\">Class names</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>";
}

std::string fact(std::string_view term, std::string_view html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, html);
}

std::string circumstances(const Json& run) {
  const Json &machine = run["machine"], &versions = run["versions"], &data = run["data"],
             &parameters = run["parameters"];
  const auto count = [](const Json& value) { return format_count(value.get<int64_t>()); };
  std::string order;
  for (const auto& each : run["class_order"]) order += (order.empty() ? "" : " ") + each.dump();
  std::string facts;
  facts += fact("CPU", text_of(machine["cpu"]));
  facts += fact("Cores, threads", count(machine["cores"]) + ", " + count(machine["threads"]));
  facts += fact("Memory", format_bytes(machine["memory_bytes"].get<uint64_t>()));
  facts += fact("Device", text_of(machine["device"]));
  facts += fact("patina", text_of(versions["patina"]));
  facts += fact("LibTorch", text_of(versions["libtorch"]));
  facts += fact("Compiler", text_of(versions["compiler"]));
  facts += fact("Model", text_of(run["model"]["name"]) + " <code>" + text_of(run["model"]["hash"]) +
                             "</code>");
  facts += fact("Image size", count(run["model"]["image_size"]));
  facts += fact("Data", fmt::format("{}: {} train, {} test, {} skipped", text_of(data["name"]),
                                    count(data["train_samples"]), count(data["test_samples"]),
                                    count(data["skipped"])));
  facts += fact("Scenario grants", join_names(run["scenario"]["granted"]));
  facts += fact("Parameters",
                fmt::format("{} total, {} trainable, {} stored", count(parameters["total"]),
                            count(parameters["trainable"]), count(parameters["stored"])));
  facts += fact("Seed", run["seeds"]["seed"].dump());
  facts += fact("Class order seed", run["seeds"]["class_order_seed"].dump());
  facts += fact("Class order", "<code>" + order + "</code>");
  return "<details><summary>Machine, versions, seeds</summary><dl>\n" + facts + "</dl></details>";
}

}  // namespace

std::string run_section(const RunRecord& run, size_t number) {
  const Json& json = run.json;
  std::string html = fmt::format(
      "<section class=\"run\" id=\"run-{0}\"><h2><span class=\"swatch\" data-run=\"{0}\"></span>{1}"
      "{2}</h2><p class=\"about\">{3}; {4}</p>\n",
      number, escape(run.label),
      interrupted(run) ? " <span class=\"badge\">interrupted</span>" : "",
      text_of(json["learner"]["family"]), text_of(json["learner"]["paper"]));
  html += task_count(run) > kMostTasksBesideMetrics ? "<div><div>" : "<div class=\"pair\"><div>";
  html += heat_map(run) + "</div><div>" + metrics_table(json) + "</div></div>\n" + task_table(run) +
          "\n";
  html += "<details><summary>Resolved recipe</summary><pre>" + text_of(json["recipe"]) +
          "</pre></details>\n";
  return html + circumstances(json) + "</section>\n";
}

}  // namespace patina::page
