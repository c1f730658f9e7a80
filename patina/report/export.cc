// The comparison for other programs: comma-separated values, LaTeX and Markdown.
#include <algorithm>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/recipe_keys.h"
#include "patina/report/report.h"
#include "patina/report/seeds.h"

namespace patina {

namespace {

// RFC 4180.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string latex_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '\\':
        safe += "\\textbackslash{}";
        break;
      case '~':
        safe += "\\textasciitilde{}";
        break;
      case '^':
        safe += "\\textasciicircum{}";
        break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        safe += '\\';
        safe += c;
        break;
      case '\n':
      case '\r':
        safe += ' ';
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string markdown_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      safe += ' ';
      continue;
    }
    if (std::string_view("\\|*_`<>[]").find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

struct MetricColumn {
  const char* metric;
  const char* title;
  bool higher_is_better;
};
constexpr MetricColumn kMetrics[] = {
    {"last_accuracy", "Last", true},
    {"average_incremental_accuracy", "Average", true},
    {"forgetting", "Forgetting", false},
    {"backward_transfer", "Backward transfer", true},
};

// A row a recipe, with the means over its complete runs; a run that was interrupted is a row of
// its own.
struct SummaryRow {
  std::string name;
  std::vector<const RunRecord*> runs;

  std::optional<Spread> of(const char* metric) const {
    std::vector<Score> scores;
    for (const auto* run : runs) scores.push_back(metric_of(*run, metric));
    return spread(scores);
  }
  std::optional<Spread> seconds() const {
    std::vector<Score> seconds;
    for (const auto* run : runs) seconds.emplace_back(run->record.seconds.total);
    return spread(seconds);
  }
  bool interrupted() const { return !runs[0]->record.complete(); }
};

std::vector<SummaryRow> summary_rows(const std::vector<RunRecord>& runs) {
  std::vector<SummaryRow> rows;
  const auto groups = seed_groups(runs);
  const bool averaged = over_seeds(groups);
  if (averaged)
    for (const auto& group : groups) rows.push_back({group.name, group.runs});
  for (const auto& run : runs)
    if (!averaged || interrupted(run)) rows.push_back({run.label, {&run}});
  return rows;
}

// For each metric the text of the best row; "" where nothing can be called so.
std::vector<std::string> best_texts(const std::vector<SummaryRow>& rows,
                                    const std::vector<RunRecord>& runs) {
  std::vector<std::string> best(std::size(kMetrics));
  if (rows.size() < 2 || !comparable(runs)) return best;
  for (size_t k = 0; k < best.size(); ++k) {
    std::optional<Spread> top;
    bool differ = false;
    const bool lower =
        runs[0].record.is_of_texts() && runs[0].record.tasks[0].probe->better == "lower";
    for (const auto& row : rows) {
      const auto value = row.of(kMetrics[k].metric);
      if (!value || row.interrupted()) continue;
      const bool higher = kMetrics[k].higher_is_better &&
                          !(lower && kMetrics[k].metric != std::string_view("backward_transfer"));
      differ |= top && top->mean != value->mean;
      if (!top || (higher ? value->mean > top->mean : value->mean < top->mean)) top = value;
    }
    if (top && differ) best[k] = text_of(top, runs[0].record);
  }
  return best;
}

// What runs need said under a table.
std::string setting_of(const std::vector<RunRecord>& runs) {
  const Record& first = runs[0].record;
  const bool same = std::ranges::all_of(runs, [&](const RunRecord& run) {
    return run.record.data.name == first.data.name &&
           run.record.scenario.name == first.scenario.name;
  });
  return same ? fmt::format("{}, {}, {} tasks, {} split", first.data.name, first.scenario.name,
                            first.tasks.size(), evaluated_split(runs))
              : fmt::format("{} runs", runs.size());
}

}  // namespace

std::string report_csv(const std::vector<RunRecord>& runs) {
  std::vector<std::string> names;  // of the metrics, in the order of the first record that has each
  for (const auto& run : runs)
    for (const auto& [name, value] : run.record.metrics)
      if (std::ranges::count(names, name) == 0) names.push_back(name);
  std::string text =
      "run,folder,recipe,learner,family,data,scenario,model,split,status,seed,class_order_seed,"
      "tasks,tasks_learned";
  for (const auto& name : names) text += "," + csv_field(name);
  text +=
      ",seconds_total,seconds_load,seconds_train,seconds_evaluate,seconds_checkpoint,"
      "peak_memory_bytes,parameters_total,parameters_trainable,parameters_stored,"
      "stored_bytes_at_end\r\n";
  for (const auto& run : runs) {
    const Record& record = run.record;
    for (const auto& field : {run.label, run.folder.string(), record.name, record.learner.name,
                              record.learner.family, record.data.name, record.scenario.name,
                              record.model.name, record.evaluated_on, record.status})
      text += csv_field(field) + ",";
    text += fmt::format("{},{},{},{}", record.seeds.seed, record.seeds.class_order_seed,
                        task_count(run), tasks_learned(run));
    for (const auto& name : names) {
      const Score value = metric_of(run, name.c_str());
      text += value ? fmt::format(",{}", *value) : ",";
    }
    const Record::Seconds& seconds = record.seconds;
    for (const double part :
         {seconds.total, seconds.load, seconds.train, seconds.evaluate, seconds.checkpoint})
      text += fmt::format(",{}", part);
    const auto& stored = record.parameters.stored_bytes_after_task;
    text += fmt::format(",{},{},{},{},{}\r\n", record.peak_memory_bytes, record.parameters.total,
                        record.parameters.trainable, record.parameters.stored,
                        stored.empty() ? "" : std::to_string(stored.back()));
  }
  return text;
}

std::string report_latex(const std::vector<RunRecord>& runs) {
  const auto rows = summary_rows(runs);
  const auto best = best_texts(rows, runs);
  std::string text =
      "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n"
      "  \\begin{tabular}{lrrrrr}\n    \\toprule\n    Method";
  for (const auto& column : kMetrics) text += fmt::format(" & {}", column.title);
  text += " & Time \\\\\n    \\midrule\n";
  for (const auto& row : rows) {
    text += "    " + latex_text(row.name) + (row.interrupted() ? " (interrupted)" : "");
    for (size_t k = 0; k < std::size(kMetrics); ++k) {
      const std::string plain = text_of(row.of(kMetrics[k].metric), row.runs[0]->record);
      std::string value = plain == "-" ? "--" : plain;
      if (const size_t at = value.find("±"); at != value.npos)
        value = fmt::format("${}\\pm{}$", value.substr(0, at - 1),
                            value.substr(at + std::string_view("± ").size()));
      else if (value[0] == '-' && plain != "-")
        value = fmt::format("${}$", value);
      text += plain == best[k] && !row.interrupted()
                  ? fmt::format(" & \\textbf{{\\boldmath {}}}", value)
                  : " & " + value;
    }
    text += fmt::format(" & {} \\\\\n", format_seconds(row.seconds().value_or(Spread{}).mean));
  }
  return text + "    \\bottomrule\n  \\end{tabular}\n  \\caption{" + latex_text(setting_of(runs)) +
         "}\n\\end{table}\n";
}

std::string report_markdown(const std::vector<RunRecord>& runs) {
  const auto rows = summary_rows(runs);
  const auto best = best_texts(rows, runs);
  std::string text = markdown_text(setting_of(runs)) + "\n\n| Method | Runs |";
  std::string rule = "|---|---:|";
  for (const auto& column : kMetrics) {
    text += fmt::format(" {} |", column.title);
    rule += "---:|";
  }
  text += " Time |\n" + rule + "---:|\n";
  for (const auto& row : rows) {
    text += fmt::format("| {}{} | {} |", markdown_text(row.name),
                        row.interrupted() ? " (interrupted)" : "", row.runs.size());
    for (size_t k = 0; k < std::size(kMetrics); ++k) {
      const std::string value = text_of(row.of(kMetrics[k].metric), row.runs[0]->record);
      text += value == best[k] && !row.interrupted() ? fmt::format(" **{}** |", value)
                                                     : fmt::format(" {} |", value);
    }
    text += fmt::format(" {} |\n", format_seconds(row.seconds().value_or(Spread{}).mean));
  }
  const auto notes = cautions(runs);
  if (!notes.empty()) text += "\n";
  for (const auto& note : notes) text += "- " + markdown_text(note) + "\n";
  return text;
}

}  // namespace patina
