#include "patina/report/seeds.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>

#include "patina/base/progress.h"
#include "patina/config/option_keys.h"
#include "patina/report/comparison.h"
#include "patina/report/table.h"

namespace patina {

namespace {

// A recipe without its seeds; a record has it as patina writes it, one key a line.
std::string but_seeds(const std::string& recipe) {
  std::string rest;
  std::istringstream lines(recipe);
  for (std::string line; std::getline(lines, line);) {
    const std::string_view key = std::string_view(line).substr(0, line.find(" = "));
    if (!is_seed(key)) rest += line + '\n';
  }
  return rest;
}

Json to_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"runs", spread->runs}, {"mean", spread->mean}, {"deviation", spread->deviation}};
}

}  // namespace

std::vector<Score> SeedGroup::scores(const char* metric) const {
  std::vector<Score> scores;
  for (const auto* run : runs) scores.push_back(metric_of(*run, metric));
  return scores;
}

std::optional<Spread> SeedGroup::seconds() const {
  std::vector<Score> seconds;
  for (const auto* run : runs) seconds.push_back(Score(run->record.seconds.total));
  return spread(seconds);
}

std::vector<SeedGroup> seed_groups(const std::vector<RunRecord>& runs) {
  std::vector<SeedGroup> groups;
  std::vector<std::tuple<std::string, std::string, bool>> keys;
  for (const auto& run : runs) {
    if (interrupted(run)) continue;
    const std::tuple key(run.record.name, but_seeds(run.record.recipe), run.record.is_validation());
    const auto at = std::ranges::find(keys, key) - keys.begin();
    if (at == std::ssize(keys)) {
      keys.push_back(key);
      groups.push_back({run.record.name, {}});
    }
    groups[size_t(at)].runs.push_back(&run);
  }
  return groups;
}

bool over_seeds(const std::vector<SeedGroup>& groups) {
  return std::ranges::any_of(groups, [](const SeedGroup& group) { return group.runs.size() > 1; });
}

std::string text_of(const std::optional<Spread>& spread, const Record& run) {
  if (!spread) return "-";
  const auto text = [&](double value) {
    return run.is_of_texts() ? number(value) : percent(value);
  };
  return spread->runs == 1 ? text(spread->mean)
                           : text(spread->mean) + " ± " + text(spread->deviation);
}

std::string SeedGroup::text(const char* metric) const {
  return text_of(spread(scores(metric)), runs[0]->record);
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
  for (const auto& group : seed_groups(runs)) {
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
  const auto groups = seed_groups(runs);
  const bool texts = std::ranges::any_of(
      groups, [](const SeedGroup& group) { return group.runs[0]->record.is_of_texts(); });
  std::vector<std::vector<std::string>> rows = {{"recipe", "runs", texts ? "last" : "last acc %",
                                                 texts ? "average" : "avg inc acc %", "forgetting",
                                                 "time a run"}};
  for (const auto& group : groups) {
    const bool validation = group.runs[0]->record.is_validation();
    rows.push_back({printable(group.name) + (validation ? " (validation)" : ""),
                    std::to_string(group.runs.size()), group.text("last_accuracy"),
                    group.text("average_incremental_accuracy"), group.text("forgetting"),
                    format_seconds(group.seconds().value_or(Spread{}).mean)});
  }
  return table(rows);
}

}  // namespace patina
