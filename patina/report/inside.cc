// What a run shows of its inside: the drift of a language model, and what its learner tells of
// itself after each task.
#include <algorithm>
#include <cmath>

#include "patina/report/comparison.h"
#include "patina/report/page.h"

namespace patina::page {

namespace {

constexpr size_t kMostColumns = 200;
constexpr size_t kMostNumbered = 20;
constexpr size_t kLongestValue = 200;

bool is_list_of_numbers(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& entry) { return entry.is_number(); });
}

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_number_integer()) return value.dump();
  if (value.is_number()) return fmt::format("{:.4g}", value.get<double>());
  std::string text = value.is_string() ? value.get<std::string>()
                                       : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "...";
  return escape(text);
}

// "router_accuracy" as a title.
std::string title_of(std::string name) {
  std::ranges::replace(name, '_', ' ');
  if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = char(name[0] - 'a' + 'A');
  return escape(name);
}

// A list after each task as a heat map: a row a task, its largest entry the deepest.
std::string list_map(const std::string& name, const Json& tasks) {
  size_t columns = 0;
  for (const auto& task : tasks)
    if (task.is_object() && task.contains(name) && is_list_of_numbers(task[name]))
      columns = std::max(columns, task[name].size());
  columns = std::min(columns, kMostColumns);
  const bool numbered = columns <= kMostNumbered;
  std::string head = "<th scope=\"col\">after</th>";
  for (size_t k = 1; k <= columns; ++k)
    head += fmt::format("<th scope=\"col\">{}</th>", numbered ? std::to_string(k) : "");
  std::string rows;
  for (size_t after = 0; after < tasks.size(); ++after) {
    if (!tasks[after].is_object() || !tasks[after].contains(name)) continue;
    const Json& list = tasks[after][name];
    if (!is_list_of_numbers(list)) continue;
    double largest = 0;
    for (const auto& entry : list) largest = std::max(largest, std::abs(entry.get<double>()));
    rows += fmt::format("<tr><th scope=\"row\">task {}</th>", after + 1);
    for (size_t k = 0; k < columns; ++k) {
      if (k >= list.size()) {
        rows += "<td class=\" none\"></td>";
        continue;
      }
      const double part = largest > 0 ? std::abs(list[k].get<double>()) / largest : 0;
      const std::string text = shown(list[k]);
      rows += heat_cell("", part, fmt::format("{} after task {}: {}", k + 1, after + 1, text),
                        numbered ? text : "");
    }
    rows += "</tr>\n";
  }
  const std::string title =
      name == "histogram" ? "How often each prompt was chosen" : title_of(name);
  return fmt::format(
      "<h3>{}</h3><p class=\"about\">An entry a column, a row after each task; deeper is more "
      "within a row.</p><div class=\"scroll\" tabindex=\"0\"><table "
      "class=\"heat{}\"><thead><tr>{}</tr></thead><tbody>\n"
      "{}</tbody></table></div>",
      title, numbered ? "" : " dense", head, rows);
}

}  // namespace

std::string drift_of_run(const Record& run) {
  if (run.drift.empty()) return "";
  std::string rows;
  for (size_t after = 0; after < run.drift.size(); ++after) {
    const Record::Drift& drift = run.drift[after];
    rows +=
        fmt::format("<tr><th scope=\"row\">{}</th>{}{}{}{}</tr>\n",
                    after == 0 ? "before" : fmt::format("task {}", after),
                    cell(number(drift.from_base)), cell(number(drift.from_before)),
                    cell(number(drift.general_loss)), cell(number(drift.general_bits_per_byte)));
  }
  return "<h3>Drift</h3><p class=\"about\">How far learning moved the model: KL divergence in nats "
         "a token on held prompts, and the loss on a general text.</p>" +
         sortable_table(head_row({"After", "From the base model", "From before the task",
                                  "General text, nats a token", "General text, bits a byte"}),
                        rows);
}

std::string inside_of_run(const Record& run) {
  const Json& tasks = run.diagnostics_after_task;
  std::vector<std::string> lists, values;
  for (const auto& task : tasks) {
    if (!task.is_object()) continue;
    for (const auto& [name, value] : task.items()) {
      auto& names = is_list_of_numbers(value) ? lists : values;
      if (std::ranges::count(names, name) == 0) names.push_back(name);
    }
  }
  std::erase_if(values, [&](const auto& name) { return std::ranges::count(lists, name) > 0; });
  if (lists.empty() && values.empty()) return "";
  std::string html;
  for (const auto& name : lists) html += list_map(name, tasks);
  if (values.empty()) return html;
  std::vector<std::string> titles = {"After"};
  for (const auto& name : values) titles.push_back(title_of(name));
  std::string rows;
  for (size_t after = 0; after < tasks.size(); ++after) {
    if (!tasks[after].is_object()) continue;
    rows += fmt::format("<tr><th scope=\"row\">task {}</th>", after + 1);
    for (const auto& name : values)
      rows += cell(tasks[after].contains(name) ? shown(tasks[after][name]) : "-");
    rows += "</tr>\n";
  }
  return html + "<h3>What the learner tells</h3>" + sortable_table(head_row(titles), rows);
}

}  // namespace patina::page
