// The charts over all runs: their numbers for page.js, and the sections that hold them.
#include <algorithm>
#include <climits>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"

namespace patina::page {

namespace {

// The parts of a run's time, in the order of the chart.
constexpr double Record::Seconds::*kParts[] = {&Record::Seconds::load, &Record::Seconds::train,
                                               &Record::Seconds::evaluate,
                                               &Record::Seconds::checkpoint};

using Values = std::vector<Score>;

// Means of a value with an index, as many as every run has; with deviations, if there are several
// runs.
template <class ValuesOf>
Json means(const Series& series, ValuesOf values) {
  std::vector<Values> of_runs;
  size_t count = SIZE_MAX;
  for (const auto* run : series.runs) {
    of_runs.push_back(values(*run));
    count = std::min(count, of_runs.back().size());
  }
  Json mean = Json::array(), deviation = Json::array();
  for (size_t i = 0; i < count; ++i) {
    Values scores;
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
    Values scores;
    for (size_t i = 0; i < samples.size(); ++i) scores.push_back(run.record.anytime[i].accuracy);
    return scores;
  });
  json["samples"] = samples;
  return json;
}

Values forgetting_of_tasks(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  Values forgetting;
  for (int task = 0; task < matrix.tasks(); ++task)
    forgetting.push_back(task_forgetting(matrix, tasks_learned(run), task));
  return forgetting;
}

// On each task right after it was learned.
Values just_learned(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  Values scores;
  for (int task = 0; task < matrix.tasks(); ++task) scores.push_back(matrix.at(task + 1, task));
  return scores;
}

// What the tasks before it gave to a task: how much better its score is than before learning.
Values forward_transfer(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  Values transfer;
  for (int task = 0; task < matrix.tasks(); ++task)
    transfer.push_back(task == 0 ? Score()
                                 : matrix.gain(task, matrix.at(task, task), matrix.at(0, task)));
  return transfer;
}

// What the tasks after it gave to a task, or took.
Values backward_transfer(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  const int learned = tasks_learned(run);
  Values transfer;
  for (int task = 0; task < matrix.tasks(); ++task)
    transfer.push_back(task + 1 >= learned ? Score()
                                           : matrix.gain(task, matrix.at(learned, task),
                                                         matrix.at(task + 1, task)));
  return transfer;
}

Values seconds_of_parts(const RunRecord& run) {
  const Record::Seconds& seconds = run.record.seconds;
  Values parts;
  double rest = seconds.total;
  for (const auto part : kParts) {
    parts.emplace_back(seconds.*part);
    rest -= seconds.*part;
  }
  parts.emplace_back(std::max(rest, 0.0));
  return parts;
}

Values seconds_of_tasks(const RunRecord& run) {
  Values seconds;
  for (const auto& task : run.record.seconds.per_task)
    seconds.emplace_back(task.train + task.evaluate);
  return seconds;
}

Values stored_bytes(const RunRecord& run) {
  Values bytes;
  for (const int64_t stored : run.record.parameters.stored_bytes_after_task)
    bytes.emplace_back(double(stored));
  return bytes;
}

bool any(const std::vector<RunRecord>& runs, Values (*values)(const RunRecord&)) {
  return std::ranges::any_of(runs, [&](const RunRecord& run) {
    return std::ranges::any_of(values(run), [](const Score& score) { return score.has_value(); });
  });
}

std::string figure(std::string_view id, std::string_view title, std::string_view about,
                   std::string_view after = "", size_t bars = 0) {
  constexpr size_t kFew = 8;
  const std::string height =
      bars > kFew ? fmt::format(" style=\"height:{}px\"", 100 + 28 * bars) : "";
  return fmt::format(
      "<section id=\"{0}\"><h2>{1}</h2><p class=\"about\">{2}</p><figure{4}><canvas role=\"img\" "
      "aria-label=\"{1}. {2}\" data-chart=\"{0}\"></canvas></figure>{3}</section>\n",
      id, title, about, after, height);
}

std::string curve_table(const std::vector<RunRecord>& runs) {
  int tasks = 0;
  for (const auto& run : runs) tasks = std::max(tasks, task_count(run));
  std::vector<std::string> titles = {"Learner"};
  for (int task = 1; task <= tasks; ++task) titles.push_back(std::to_string(task));
  std::string rows;
  for (const auto& run : runs) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escape(run.label));
    for (const Score score : curve_of(run)) rows += cell(score_text(run.record, score));
    rows += "</tr>\n";
  }
  return folded("Numbers", sortable_table(head_row(titles), rows));
}

// While the stream flows, where there is such a curve.
std::string anytime_figure(const std::vector<RunRecord>& runs) {
  std::string rows;
  for (const auto& run : runs)
    for (const auto& point : run.record.anytime)
      rows += fmt::format("<tr><th scope=\"row\">{}</th>{}{}</tr>\n", escape(run.label),
                          cell(format_count(point.samples)), cell(percent(point.accuracy)));
  if (rows.empty()) return "";
  return figure(
      "anytime", "Accuracy while the stream flows",
      fmt::format("Over the {} samples of all classes met so far, in percent, by the samples seen.",
                  evaluated_split(runs)),
      folded("Numbers", sortable_table(head_row({"Learner", "Samples", "Accuracy"}), rows)));
}

bool only_texts(const std::vector<RunRecord>& runs) {
  return !runs.empty() &&
         std::ranges::all_of(runs, [](const RunRecord& run) { return run.record.is_of_texts(); });
}

}  // namespace

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

Json chart_data(const std::vector<RunRecord>& runs) {
  const bool texts = only_texts(runs);
  Json data = {{"unit", texts ? "score" : "percent"},
               {"series", Json::array()},
               {"series_of_run", Json::array()}};
  const auto all = series_of(runs);
  // Beside accuracies, scores in another unit are not drawn.
  const auto drawn = [&](auto values) {
    return [=](const RunRecord& run) {
      Values scores = values(run);
      if (run.record.is_of_texts() && !texts) scores.assign(scores.size(), std::nullopt);
      return scores;
    };
  };
  for (const auto& series : all)
    data["series"].push_back({{"label", series.label},
                              {"accuracy", means(series, drawn(curve_of))},
                              {"anytime", anytime(series)},
                              {"learned", means(series, drawn(just_learned))},
                              {"forgetting", means(series, drawn(forgetting_of_tasks))},
                              {"forward", means(series, drawn(forward_transfer))},
                              {"backward", means(series, drawn(backward_transfer))},
                              {"stored", means(series, stored_bytes)},
                              {"task_seconds", means(series, seconds_of_tasks)},
                              {"seconds", means(series, seconds_of_parts)}});
  for (const auto& run : runs)
    for (size_t i = 0; i < all.size(); ++i)
      if (std::ranges::count(all[i].runs, &run) > 0) data["series_of_run"].push_back(i);
  return data;
}

std::string chart_sections(const std::vector<RunRecord>& runs) {
  const bool texts = only_texts(runs);
  const size_t bars = series_of(runs).size();
  const std::string averaged = over_seeds(seed_groups(runs)) ? " Means over seeds." : "";
  const std::string bands =
      averaged.empty() ? "" : " Bands are one standard deviation wide to each side.";
  std::string html;
  if (any(runs, curve_of))
    html += texts ? figure("accuracy", "Score after each task",
                           fmt::format("Mean over the tasks learned so far, in the unit of their "
                                       "metric.{}{}",
                                       averaged, bands),
                           curve_table(runs))
                  : figure("accuracy", "Accuracy after each task",
                           fmt::format("Over the {} samples of all classes seen so far, in "
                                       "percent.{}{}",
                                       evaluated_split(runs), averaged, bands),
                           curve_table(runs));
  html += anytime_figure(runs) + "<div class=\"pair\">";
  const std::string unit = texts ? "In the unit of its metric, " : "Percentage points ";
  if (any(runs, just_learned))
    html += figure("learned", "Each task when just learned",
                   (texts ? "Its score right after learning it: how well the learner still learns."
                          : "Percent on its own samples right after learning it: how well the "
                            "learner still learns.") +
                       averaged);
  if (any(runs, forgetting_of_tasks))
    html += figure("forgetting", "Forgetting of each task",
                   unit + "lost from a task's best to the end of the run." + averaged);
  if (any(runs, backward_transfer))
    html += figure("backward", "Backward transfer to each task",
                   unit + "that the tasks after it added; negative is forgetting." + averaged);
  if (any(runs, forward_transfer))
    html += figure("forward", "Forward transfer to each task",
                   unit + "that the tasks before it added, before it was learned." + averaged);
  html += figure("time", "Where the time goes", "Wall time of each run." + averaged, "", bars);
  if (any(runs, seconds_of_tasks))
    html += figure("task_seconds", "Time of each task",
                   "Training and evaluation after it; evaluation grows with the tasks." + averaged);
  if (any(runs, stored_bytes))
    html += figure("stored", "Memory kept after each task",
                   "Beside the backbone: adaptations, heads, statistics, samples." + averaged);
  return html + "</div>\n";
}

}  // namespace patina::page
