#include "patina/report/seeds.h"

#include <algorithm>
#include <cmath>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/table.h"

namespace patina {

namespace {

struct Group {
  std::string name;
  std::vector<const RunRecord*> runs;  // complete ones

  std::vector<Score> scores(const char* metric) const {
    std::vector<Score> scores;
    for (const auto* run : runs) scores.push_back(metric_of(*run, metric));
    return scores;
  }
  std::optional<Spread> seconds() const {
    std::vector<Score> seconds;
    for (const auto* run : runs) seconds.push_back(Score(run->record.seconds.total));
    return spread(seconds);
  }
};

std::vector<Group> groups(const std::vector<RunRecord>& runs) {
  std::vector<Group> groups;
  for (const auto& run : runs) {
    if (interrupted(run)) continue;
    const std::string& name = run.record.name;
    const auto fits = [&](const Group& group) {
      return group.name == name &&
             group.runs[0]->record.is_validation() == run.record.is_validation();
    };
    auto group = std::ranges::find_if(groups, fits);
    if (group == groups.end()) group = groups.insert(group, {name, {}});
    group->runs.push_back(&run);
  }
  return groups;
}

Json to_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"runs", spread->runs}, {"mean", spread->mean}, {"deviation", spread->deviation}};
}

}  // namespace

std::string percent_text(const std::optional<Spread>& spread) {
  if (!spread) return "-";
  return spread->runs == 1 ? percent(spread->mean)
                           : percent(spread->mean) + " ± " + percent(spread->deviation);
}

std::optional<Spread> spread(const std::vector<Score>& scores) {
  Spread spread;
  for (const Score& score : scores)
    if (score) ++spread.runs, spread.mean += *score;
  if (spread.runs == 0) return {};
  spread.mean /= spread.runs;
  double squares = 0;
  for (const Score& score : scores)
    if (score) squares += (*score - spread.mean) * (*score - spread.mean);
  spread.deviation = spread.runs == 1 ? 0 : std::sqrt(squares / (spread.runs - 1));
  return spread;
}

Json summary(const std::vector<RunRecord>& runs) {
  Json all = Json::array();
  for (const auto& group : groups(runs)) {
    const Record& first = group.runs[0]->record;
    Json entry = {{"name", group.name},
                  {"learner", first.learner.name},
                  {"family", first.learner.family},
                  {"evaluated_on", first.is_validation() ? "validation" : "test"},
                  {"seconds", to_json(group.seconds())},
                  {"metrics", Json::object()}};
    for (const auto& [metric, value] : first.metrics)
      entry["metrics"][metric] = to_json(spread(group.scores(metric.c_str())));
    entry["stored_bytes_after_task"] = first.parameters.stored_bytes_after_task;
    all.push_back(std::move(entry));
  }
  return all;
}

std::string summary_text(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<std::string>> rows = {
      {"recipe", "runs", "last acc %", "avg inc acc %", "forgetting", "time a run"}};
  for (const auto& group : groups(runs)) {
    const bool validation = group.runs[0]->record.is_validation();
    rows.push_back({printable(group.name) + (validation ? " (validation)" : ""),
                    std::to_string(group.runs.size()),
                    percent_text(spread(group.scores("last_accuracy"))),
                    percent_text(spread(group.scores("average_incremental_accuracy"))),
                    percent_text(spread(group.scores("forgetting"))),
                    format_seconds(group.seconds().value_or(Spread{}).mean)});
  }
  return table(rows);
}

}  // namespace patina
