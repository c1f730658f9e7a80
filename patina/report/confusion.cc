// The classes of one run: how many samples of each were right after the last task, and what they
// were taken for. From the predictions that lie beside the record.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "patina/base/progress.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"

namespace patina::page {

namespace {

constexpr size_t kMostClassesInMap = 40;
constexpr size_t kMostNumberedClasses = 20;
constexpr size_t kMostPairs = 20;

std::vector<int64_t> integers(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& stored = file.at(name);
  if (stored.dtype != DType::i64)
    fail(ErrorKind::format, "{} holds {}, not I64", name, patina::name(stored.dtype));
  std::vector<int64_t> values(stored.data.size() / sizeof(int64_t));
  if (!values.empty())
    std::memcpy(values.data(), stored.data.data(), values.size() * sizeof(int64_t));
  return values;
}

// counts[of][as]: samples of a class, by the class they were taken for.
using Counts = std::vector<std::map<size_t, int64_t>>;

Counts counts_of(const RunRecord& run, const fs::path& file) {
  const auto predictions = SafetensorsFile::open(file);
  const auto target = integers(predictions, "target");
  const auto found = integers(predictions, fmt::format("after_task_{}", task_count(run)));
  const auto classes = run.record.class_names.size();
  Counts counts(classes);
  if (target.size() != found.size())
    fail(ErrorKind::format, "{}: {} predictions for {} samples", file.string(), found.size(),
         target.size());
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] < 0 || size_t(target[i]) >= classes || found[i] >= int64_t(classes))
      fail(ErrorKind::format, "{}: class {} of {}", file.string(), std::max(target[i], found[i]),
           classes);
    if (found[i] >= 0) ++counts[size_t(target[i])][size_t(found[i])];
  }
  return counts;
}

int64_t total(const std::map<size_t, int64_t>& row) {
  int64_t sum = 0;
  for (const auto& [as, count] : row) sum += count;
  return sum;
}

double part(const std::map<size_t, int64_t>& row, size_t as) {
  const auto found = row.find(as);
  return found == row.end() ? 0 : double(found->second) / double(total(row));
}

std::string class_table(const RunRecord& run, const Counts& counts) {
  const auto& names = run.record.class_names;
  std::map<std::string, int> first_task;  // a class is met in the first task that lists it
  for (size_t task = run.record.tasks.size(); task-- > 0;)
    for (const auto& name : run.record.tasks[task].classes) first_task[name] = int(task) + 1;
  std::string rows;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c].empty()) continue;
    const auto worst = std::ranges::max_element(
        counts[c], {}, [&](const auto& entry) { return entry.first == c ? -1 : entry.second; });
    const bool wrong = worst->first != c;
    const auto task = first_task.find(names[c]);
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(names[c]));
    rows += cell(task == first_task.end() ? "-" : std::to_string(task->second));
    rows += cell(format_count(total(counts[c])));
    rows += cell(percent(part(counts[c], c)));
    rows += wrong ? cell(fmt::format("{} ({})", escape(names[worst->first]),
                                     percent(part(counts[c], worst->first))),
                         "names", part(counts[c], worst->first))
                  : cell("-", "names");
    rows += "</tr>\n";
  }
  return sortable_table(head_row({"Class", "Task", "Samples", "Accuracy"}) +
                            "<th scope=\"col\" class=\"names\">Most often taken for</th>",
                        rows);
}

std::string confusion_map(const RunRecord& run, const Counts& counts) {
  const auto& names = run.record.class_names;
  const bool numbered = counts.size() <= kMostNumberedClasses;
  std::string head = "<th scope=\"col\">class</th>";
  for (const auto& name : names)
    head += fmt::format("<th scope=\"col\" class=\"turned\"><span>{}</span></th>", escape(name));
  std::string rows;
  for (size_t of = 0; of < counts.size(); ++of) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(names[of]));
    for (size_t as = 0; as < counts.size(); ++as) {
      const double value = counts[of].empty() ? 0 : part(counts[of], as);
      rows += heat_cell(
          of == as ? "right" : "", value,
          fmt::format("{} taken for {}: {}", escape(names[of]), escape(names[as]), percent(value)),
          numbered && value > 0 ? percent(value, 0) : "");
    }
    rows += "</tr>\n";
  }
  return fmt::format(
      "<p class=\"about\">A row a class, in the order of the stream: the percentage of its samples "
      "taken for each class.</p><div class=\"scroll\" tabindex=\"0\"><table class=\"heat confusion"
      "{}\"><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>",
      numbered ? "" : " dense", head, rows);
}

// For more classes than a map shows: the pairs that are confused most.
std::string pair_table(const RunRecord& run, const Counts& counts) {
  struct Pair {
    size_t of, as;
    int64_t count;
  };
  std::vector<Pair> pairs;
  for (size_t of = 0; of < counts.size(); ++of)
    for (const auto& [as, count] : counts[of])
      if (as != of) pairs.push_back({of, as, count});
  std::ranges::stable_sort(pairs, std::greater{}, &Pair::count);
  pairs.resize(std::min(pairs.size(), kMostPairs));
  std::string rows;
  for (const auto& [of, as, count] : pairs)
    rows += fmt::format("<tr><th scope=\"row\">{}</th>{}{}{}</tr>\n",
                        escape(run.record.class_names[of]),
                        cell(escape(run.record.class_names[as]), "names"),
                        cell(format_count(count)), cell(percent(part(counts[of], as))));
  return "<p class=\"about\">The pairs that are confused most.</p>" +
         sortable_table(head_row({"Class"}) + "<th scope=\"col\" class=\"names\">Taken for</th>" +
                            head_row({"Samples", "Percent of the class"}),
                        rows);
}

}  // namespace

std::string classes_of_run(const RunRecord& run) {
  const fs::path file = run.folder / "predictions.safetensors";
  if (run.record.is_of_texts() || interrupted(run) || !is_file(file)) return "";
  try {
    const Counts counts = counts_of(run, file);
    return fmt::format(
        "<h3>Classes after the last task</h3><p class=\"about\">Percent of each class's {} samples "
        "that were right, among all classes.</p>{}{}",
        split_of(run.record),
        folded(fmt::format("Accuracy of {} classes", counts.size()), class_table(run, counts)),
        folded("Confusion", counts.size() <= kMostClassesInMap ? confusion_map(run, counts)
                                                               : pair_table(run, counts)));
  } catch (const Error& error) {
    return fmt::format("<h3>Classes after the last task</h3><p class=\"about\">Not shown: {}</p>",
                       escape(error.what()));
  }
}

}  // namespace patina::page
