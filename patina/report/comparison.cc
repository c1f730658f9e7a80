// The comparison of runs: values, the best of each column, and when not to compare at all.
#include "patina/report/comparison.h"

#include <algorithm>
#include <tuple>

#include "patina/base/progress.h"

namespace patina {
namespace {

std::string percent_text(double value) {
  return percent(value) + "%";
}
std::string points_text(double value) {
  return percent(value);
}
std::string bytes_text(double value) {
  return format_bytes(static_cast<uint64_t>(value));
}
std::string count_text(double value) {
  return format_count(static_cast<int64_t>(value));
}

// Whether `value` of a record is the same in all runs.
template <class Value>
bool same(const std::vector<RunRecord>& runs, Value value) {
  return std::ranges::all_of(
      runs, [&](const RunRecord& run) { return value(run.record) == value(runs[0].record); });
}

// The metric of each task, where they have one of their own.
std::vector<std::string> probes_of(const Record& run) {
  std::vector<std::string> metrics;
  for (const auto& task : run.tasks)
    if (task.probe) metrics.push_back(task.probe->metric);
  return metrics;
}

// A probe's scores are in units of their own.
std::string text_of(const ComparisonColumn& column, const RunRecord& run, double value) {
  const bool score = column.text == percent_text || column.text == points_text;
  return score && run.record.is_of_texts() ? number(value) : column.text(value);
}

// Whether higher values of a column are better; a mean of scores has the direction of its metric.
bool higher_is_better(const ComparisonColumn& column, const RunRecord& run) {
  const auto& tasks = run.record.tasks;
  const bool lower = run.record.is_of_texts() && tasks.front().probe->better == "lower";
  return column.higher_is_better && !(lower && column.text == percent_text);
}

// What was chosen, and on what: nobody should take a tuned value for a default.
std::string choice_of(const RunRecord& run) {
  const Record::Chosen& chosen = *run.record.chosen;
  const auto joined = [](const std::vector<std::string>& items, const char* between) {
    std::string all;
    for (const auto& item : items) all += (all.empty() ? "" : between) + item;
    return all;
  };
  return fmt::format(
      "{}: {} chosen of {} by {} on a validation split of {:g} percent of the training samples.",
      run.label, joined(chosen.values, ", "), joined(chosen.candidates, "; "), chosen.by,
      chosen.validation_percent.value_or(0));
}

}  // namespace

const std::vector<ComparisonColumn>& comparison_columns() {
  static const std::vector<ComparisonColumn> columns = {
      {"Last accuracy", "last acc",
       "Over the evaluated samples of all classes after the last task.", true,
       [](const RunRecord& run) { return metric_of(run, "last_accuracy"); }, percent_text},
      {"Average incremental accuracy", "avg inc acc",
       "Accuracy over the classes seen, averaged over the tasks.", true,
       [](const RunRecord& run) { return metric_of(run, "average_incremental_accuracy"); },
       percent_text},
      {"Forgetting", "forgetting",
       "Percentage points each task fell from its best; lower is better.", false,
       [](const RunRecord& run) { return metric_of(run, "forgetting"); }, points_text},
      {"Backward transfer", "bwt",
       "Percentage points later tasks added to earlier ones; negative is forgetting.", true,
       [](const RunRecord& run) { return metric_of(run, "backward_transfer"); }, points_text},
      {"Total time", "time", "Wall time of the whole run.", false,
       [](const RunRecord& run) { return Score(run.record.seconds.total); }, format_seconds},
      {"Peak memory", "memory", "The most memory the process held.", false,
       [](const RunRecord& run) { return Score(run.record.peak_memory_bytes); }, bytes_text},
      {"Trainable parameters", "trainable", "Parameters that receive gradients.", false,
       [](const RunRecord& run) { return Score(run.record.parameters.trainable); }, count_text},
      {"Stored parameters", "stored", "Numbers kept beside the untouched backbone.", false,
       [](const RunRecord& run) { return Score(run.record.parameters.stored); }, count_text},
  };
  return columns;
}

std::string evaluated_split(const std::vector<RunRecord>& runs) {
  if (!same(runs, [](const Record& run) { return run.is_validation(); })) return "evaluated";
  return !runs.empty() && runs[0].record.is_validation() ? "validation" : "test";
}

std::string percent(Score score, int decimals) {
  if (!score) return "-";
  const std::string text = fmt::format("{:.{}f}", *score * 100, decimals);
  return text.find_first_not_of("-0.") == std::string::npos && text[0] == '-' ? text.substr(1)
                                                                              : text;
}

std::string number(Score score) {
  return score ? fmt::format("{:.3f}", *score) : "-";
}

bool comparable(const std::vector<RunRecord>& runs) {
  return same(runs, [](const Record& run) {
    return std::tuple(run.data.name, run.evaluated_on, run.data.test_samples, run.scenario.name,
                      run.tasks.size(), probes_of(run));
  });
}

std::vector<std::vector<ComparisonCell>> compare(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<ComparisonCell>> table(runs.size());
  const bool judge = comparable(runs);
  for (const auto& column : comparison_columns()) {
    Score best, worst;
    for (size_t i = 0; i < runs.size(); ++i) {
      const Score value = column.value(runs[i]);
      table[i].push_back({value ? text_of(column, runs[i], *value) : "-"});
      if (!value || interrupted(runs[i]) || !judge) continue;
      const double signed_value = higher_is_better(column, runs[i]) ? *value : -*value;
      best = std::max(best.value_or(signed_value), signed_value);
      worst = std::min(worst.value_or(signed_value), signed_value);
    }
    if (!best || *best == *worst) continue;
    const std::string text =
        text_of(column, runs[0], higher_is_better(column, runs[0]) ? *best : -*best);
    for (size_t i = 0; i < runs.size(); ++i)  // what reads the same is as good
      table[i].back().best = !interrupted(runs[i]) && table[i].back().text == text;
  }
  return table;
}

std::vector<std::string> cautions(const std::vector<RunRecord>& runs) {
  std::vector<std::string> sentences;
  for (const auto& run : runs)
    if (interrupted(run))
      sentences.push_back(fmt::format("{} was interrupted after {} of {} tasks.", run.label,
                                      tasks_learned(run), task_count(run)));
  const std::string split = evaluated_split(runs);
  if (split == "validation")
    sentences.push_back(
        "Evaluated on a validation split, which was held out of the training samples: numbers to "
        "choose by, not to report.");
  if (split == "evaluated")
    sentences.push_back(
        "Some runs were evaluated on a validation split, others on the test split: their numbers "
        "do not compare.");
  for (const auto& run : runs)
    if (run.record.chosen) sentences.push_back(choice_of(run));
  if (split != "evaluated" && !comparable(runs))
    sentences.push_back(
        "The runs differ in data, scenario or number of tasks: their numbers do not compare.");
  else if (!same(runs, [](const Record& run) { return run.class_order; }))
    sentences.push_back("The runs learned the classes in different orders.");
  if (!same(runs, [](const Record& run) { return run.model.hash; }))
    sentences.push_back("The runs start from different model weights.");
  for (const auto& run : runs) {
    const int64_t skipped = run.record.data.skipped;
    if (skipped > 0)
      sentences.push_back(fmt::format("{} left out {} samples that could not be read.", run.label,
                                      format_count(skipped)));
  }
  return sentences;
}

}  // namespace patina
