#include "patina/scenario/scenario.h"

#include "patina/base/error.h"
#include "patina/scenario/class_incremental.h"

namespace patina {

namespace {
struct Named {
  bool Grant::*member;
  const char* name;
  const char* meaning;
};
constexpr Named kGrants[] = {
    {&Grant::task_id_at_train, "task_id_at_train", "the task's identity while training"},
    {&Grant::task_id_at_test, "task_id_at_test", "the task's identity at test time"},
    {&Grant::boundaries, "boundaries", "to be told when a task ends"},
    {&Grant::many_passes, "many_passes", "more than one pass over a task's samples"},
    {&Grant::past_data, "past_data", "the samples of earlier tasks"},
};
}  // namespace

std::vector<std::string> Grant::names() const {
  std::vector<std::string> list;
  for (const auto& grant : kGrants)
    if (this->*grant.member) list.push_back(grant.name);
  return list;
}

std::optional<std::string> missing(const Grant& needs, const Grant& grant) {
  std::string text;
  for (const auto& item : kGrants)
    if (needs.*item.member && !(grant.*item.member))
      text += (text.empty() ? "" : " and ") + std::string(item.meaning);
  return text.empty() ? std::nullopt : std::optional(text);
}

void ScenarioOptions::bind(Fields& f) {
  std::vector<std::string> names;
  for (const auto& info : scenario_list()) names.push_back(info.name);
  f("name", name, "How the data becomes a stream; see `patina list scenarios`.", names);
  f("initial_classes", initial_classes, "Classes of the first task; 0: as many as the others.",
    at_least(0));
  f("classes_per_task", classes_per_task, "Classes of each later task; the last may have fewer.",
    at_least(1));
  f("class_order_seed", class_order_seed,
    "Class order: numpy.random.RandomState(seed).permutation, as the field's tables (1993); -1: "
    "the "
    "data set's own order.",
    between(-1, 4294967295.0));
  f("class_order", class_order, "An explicit class order instead of a seed.", at_least(0));
}

const std::vector<ScenarioInfo>& scenario_list() {
  static const std::vector<ScenarioInfo> list = {
      {"class_incremental", "every task brings new classes; at test time the task is not known",
       ClassIncremental::kGrant},
      {"task_incremental",
       "every task brings new classes; at test time the task is known, and only its classes "
       "compete",
       TaskIncremental::kGrant},
  };
  return list;
}

std::unique_ptr<Scenario> make_scenario(const ScenarioOptions& options, const DataSplits& data,
                                        bool past_data) {
  if (options.name == "task_incremental")
    return std::make_unique<TaskIncremental>(options, data, past_data);
  PATINA_CHECK(options.name == "class_incremental", "scenario {}", options.name);
  return std::make_unique<ClassIncremental>(options, data, past_data);
}

}  // namespace patina
