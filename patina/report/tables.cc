// The tables over all runs, and what all tables of the page are made of.
#include <algorithm>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"
#include "patina/report/recipe_keys.h"

namespace patina::page {

std::string cell(std::string_view html, std::string_view classes, Score value) {
  std::string attributes;
  if (!classes.empty()) attributes += fmt::format(" class=\"{}\"", classes);
  if (value) attributes += fmt::format(" data-v=\"{}\"", *value);
  return fmt::format("<td{}>{}</td>", attributes, html);
}

std::string head_row(const std::vector<std::string>& titles) {
  std::string head;
  for (const auto& title : titles) head += fmt::format("<th scope=\"col\">{}</th>", title);
  return head;
}

std::string sortable_table(std::string_view head, std::string_view rows, std::string_view classes) {
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"numbers sortable{}{}\"><thead><tr>{}"
      "</tr></thead><tbody>\n{}</tbody></table></div>",
      classes.empty() ? "" : " ", classes, head, rows);
}

std::string heat_cell(std::string_view classes, double depth, std::string_view title,
                      std::string_view text) {
  constexpr double kInkTurns = 0.68;  // both inks of page.css have contrast 4.5 there
  return fmt::format("<td class=\"{}{}\" style=\"--v:{:.3f}\" title=\"{}\">{}</td>", classes,
                     depth > kInkTurns ? " strong" : "", depth, title, text);
}

std::string folded(std::string_view title, std::string_view table) {
  return fmt::format("<details><summary>{}</summary>{}</details>", title, table);
}

std::string badges(const RunRecord& run) {
  std::string all;
  if (interrupted(run)) all += " <span class=\"badge\">interrupted</span>";
  if (run.record.is_validation()) all += " <span class=\"badge\">validation</span>";
  return all;
}

std::string score_text(const Record& run, Score score, int decimals) {
  return run.is_of_texts() ? number(score) : percent(score, decimals);
}

const char* split_of(const Record& run) {
  return run.is_validation() ? "validation" : "test";
}

std::string comparison_section(const std::vector<RunRecord>& runs) {
  const auto& columns = comparison_columns();
  std::string head = "<th scope=\"col\">Learner</th>";
  for (const auto& column : columns)
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
        i, escape(runs[i].label), badges(runs[i]), escape(runs[i].record.learner.family));
    for (size_t k = 0; k < columns.size(); ++k) {
      const auto& value = table[i][k];
      marked |= value.best;
      rows += value.best ? cell(fmt::format("<strong>{}</strong><span role=\"img\" class=\"mark\" "
                                            "title=\"best\" aria-label=\"best\"> &#9679;</span>",
                                            value.text),
                                "best", columns[k].value(runs[i]))
                         : cell(value.text, "", columns[k].value(runs[i]));
    }
    rows += "</tr>\n";
  }
  std::string notes;
  for (const auto& sentence : cautions(runs)) notes += fmt::format("<li>{}</li>", escape(sentence));
  if (!notes.empty()) notes = "<ul class=\"cautions\">" + notes + "</ul>";
  return fmt::format(
      "<section id=\"comparison\"><h2>Comparison</h2>{}{}<p class=\"legend\">Arrows show the "
      "better direction{}.</p></section>\n",
      notes, sortable_table(head, rows),
      marked ? "; <span class=\"mark\">&#9679;</span> is the best of its column" : "");
}

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
    const double seconds = group.seconds().value_or(Spread{}).mean;
    rows += cell(format_seconds(seconds), "", seconds) + "</tr>\n";
  }
  return "<section id=\"seeds\"><h2>Over seeds</h2><p class=\"about\">Mean and standard deviation "
         "of a recipe's complete runs: accuracies in percent, scores of texts in their own "
         "unit.</p>" +
         sortable_table(head_row({"Recipe", "Runs", "Last accuracy", "Average incremental accuracy",
                                  "Forgetting", "Backward transfer", "Mean time"}),
                        rows) +
         "</section>\n";
}

std::string differences_section(const std::vector<RunRecord>& runs) {
  const auto differences = recipe_differences(runs);
  if (differences.empty()) return "";
  // Runs that differ in seeds only have one column.
  std::vector<size_t> columns;
  const auto same = [&](size_t one, size_t other) {
    return runs[one].record.name == runs[other].record.name &&
           std::ranges::all_of(differences, [&](const RecipeDifference& difference) {
             return difference.values[one] == difference.values[other];
           });
  };
  for (size_t i = 0; i < runs.size(); ++i)
    if (std::ranges::none_of(columns, [&](size_t column) { return same(column, i); }))
      columns.push_back(i);
  std::vector<std::string> titles = {"Key"};
  for (const size_t i : columns) titles.push_back(escape(runs[i].record.name));
  std::string rows;
  for (const auto& [key, values] : differences) {
    rows += fmt::format("<tr><th scope=\"row\"><code>{}</code></th>", escape(key));
    for (const size_t i : columns)
      rows += cell(values[i].empty() ? "-" : "<code>" + escape(values[i]) + "</code>", "value");
    rows += "</tr>\n";
  }
  return fmt::format(
      "<section id=\"differences\"><h2>What the recipes differ in</h2><p class=\"about\">All other "
      "keys are the same, seeds and names aside; a dash where a recipe has no such key.</p>{}"
      "</section>\n",
      folded(fmt::format("{} {}", differences.size(), differences.size() == 1 ? "key" : "keys"),
             sortable_table(head_row(titles), rows)));
}

std::string cost_section(const std::vector<RunRecord>& runs) {
  const bool counted = std::ranges::all_of(
      runs, [](const RunRecord& run) { return run.record.engine && run.record.engine->flops; });
  std::string rows;
  for (const auto& run : runs) {
    const Record::Seconds& seconds = run.record.seconds;
    const double other = std::max(
        0.0, seconds.total - seconds.load - seconds.train - seconds.evaluate - seconds.checkpoint);
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(run.label));
    for (const double part :
         {seconds.load, seconds.train, seconds.evaluate, seconds.checkpoint, other, seconds.total})
      rows += cell(format_seconds(part), "", part);
    const auto bytes = [](int64_t count) {
      return cell(format_bytes(uint64_t(count)), "", double(count));
    };
    rows += bytes(run.record.peak_memory_bytes);
    const auto& stored = run.record.parameters.stored_bytes_after_task;
    rows += stored.empty() ? cell("-") : bytes(stored.back());
    if (counted)
      for (const Record::Passes* passes :
           {&run.record.engine->flops->train, &run.record.engine->flops->evaluate}) {
        const double count = double(passes->forward) + double(passes->backward);
        rows += cell(fmt::format("{:.3g}", count / 1e12), "", count);
      }
    rows += "</tr>\n";
  }
  std::vector<std::string> titles = {"Learner",  "Load",        "Train",
                                     "Evaluate", "Checkpoint",  "Other",
                                     "Total",    "Peak memory", "Stored at the end"};
  if (counted) titles.insert(titles.end(), {"Train, TFLOP", "Evaluate, TFLOP"});
  return "<section id=\"cost\"><h2>Time and memory</h2>" + sortable_table(head_row(titles), rows) +
         "</section>\n";
}

}  // namespace patina::page
