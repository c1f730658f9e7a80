#include "patina/scenario/scenario.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/record/record.h"
#include "patina/scenario/label_set.h"
#include "patina/scenario/rules.h"

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
    {&Grant::new_classes, "new_classes", "classes in every task that no other task has"},
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

Scenario::Scenario(std::string name, const Grant& grant, const Source& source,
                   std::vector<int64_t> class_order, std::vector<Stretch> stretches)
    : name_(std::move(name)),
      grant_(grant),
      class_order_(std::move(class_order)),
      stretches_(std::move(stretches)) {
  for (const int64_t c : class_order_) classes_.push_back(source.classes()[size_t(c)]);
}

int64_t Scenario::seen_after(int tasks) const {
  int64_t seen = 0;
  for (int task = 0; task < tasks; ++task) seen += int64_t(fresh_classes(task).size());
  return seen;
}

Stream Scenario::stream() const {
  return Stream(*this);
}

std::optional<Task> Stream::next() {
  if (next_ >= scenario_->tasks()) return std::nullopt;
  ++next_;
  return current();
}

Task Stream::current() {
  const int index = next_ - 1;
  Task task{.index = index,
            .classes = scenario_->domains_apart() ? scenario_->fresh_classes(index)
                                                  : scenario_->task_classes(index),
            .fresh = scenario_->fresh_classes(index)};
  task.seen.resize(size_t(scenario_->seen_after(next_)));
  std::iota(task.seen.begin(), task.seen.end(), int64_t{0});
  const auto& names = scenario_->classes();
  for (const int64_t c : task.fresh) task.names.push_back(names[size_t(c) % names.size()]);
  task.train = &scenario_->train(index);
  if (scenario_->grant().past_data) {
    joined_ = scenario_->train(0);
    for (int i = 1; i <= index; ++i) joined_ = joined_->joined(scenario_->train(i));
    task.train = &*joined_;
  }
  return task;
}

namespace {
constexpr int kMostTasks = Record::kMostTasks;
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
  f("domain_order", domain_order,
    "Of domain_incremental, data_sets, mtil and x_tail: the domains by number, in the order they "
    "come; empty: "
    "the data's own. "
    "Domains may be left out.",
    at_least(0));
  f("domain_classes", domain_classes,
    "Of domain_incremental: \"shared\": every task has the same classes; \"apart\": each domain's "
    "are learned as classes of its own, and at test time a class is the best of its domains, which "
    "is how methods that give every task new classes learn domains; \"own\": a domain has some of "
    "the classes, and those that no earlier domain had are new.",
    {"shared", "apart", "own"});
  f("rounds", rounds,
    "Of data_sets, mtil and x_tail: each data set comes in so many parts, one a round, in the "
    "order of its samples; "
    "every part is tested on the whole set.",
    between(1, kMostTasks));
  f("blurry_tasks", blurry_tasks, "Of i_blurry and si_blurry: stretches of the stream.",
    between(1, kMostTasks));
  f("disjoint_percent", disjoint_percent,
    "Of the blurry scenarios, their N: how many of a hundred classes appear in one stretch only.",
    between(0, 100));
  f("blurry_percent", blurry_percent,
    "Of the blurry scenarios, their M: how many of a hundred samples of the other classes spill "
    "into other stretches.",
    between(0, 100));
  f("stream_seed", stream_seed,
    "Of scenarios of one pass: draws the order of the samples, and where the blurry ones divide.",
    at_least(0));
  f("compat", compat,
    "Of the blurry scenarios: \"original\" drops classes and samples that do not divide evenly, "
    "spills the first samples of the file instead of drawn ones, and fewer than M percent where a "
    "stretch of si_blurry has too few, as the papers' code does.",
    {"", "original"});
}

const std::vector<ScenarioInfo>& scenario_list() {
  static const std::vector<ScenarioInfo> list = {
      {"class_incremental",
       "every task brings new classes; at test time the task is not known",
       {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       class_incremental},
      {"task_incremental",
       "every task brings new classes; at test time the task is known, and only its classes "
       "compete",
       {.task_id_at_train = true,
        .task_id_at_test = true,
        .boundaries = true,
        .many_passes = true,
        .new_classes = true},
       class_incremental},
      {"domain_incremental",
       "every task brings the same classes from another domain; at test time the domain is not "
       "known",
       {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       domain_incremental},
      {"data_sets",
       "every task is a data set of its own, with the classes it has, or with texts as answers; at "
       "test time the task is not known",
       {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       data_sets},
      {"mtil",
       "data_sets whose task is known at test time: only its classes compete (multi-domain "
       "task-incremental learning)",
       {.task_id_at_train = true, .task_id_at_test = true, .boundaries = true, .many_passes = true},
       data_sets},
      {"x_tail",
       "data_sets whose test samples compete among the classes of all tasks, those to come too, "
       "for "
       "learners that know classes by their names (cross-domain task-agnostic incremental "
       "learning)",
       {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       data_sets},
      {"online_hard",
       "tasks of new classes whose samples come once; it shows when one ends, not which it is",
       {.boundaries = true, .new_classes = true},
       class_incremental},
      {"i_blurry",
       "samples come once, without boundaries: N % of the classes in one stretch only, of the "
       "others M % of the samples anywhere",
       {},
       i_blurry},
      {"si_blurry", "i_blurry with stretches of random length and spill", {}, si_blurry},
  };
  return list;
}

LabelSet label_set(const Scenario& scenario) {
  if (scenario.grant().task_id_at_test) return LabelSet::own;
  return scenario.name() == "x_tail" ? LabelSet::all : LabelSet::seen;
}

std::optional<std::string> remedy(const Grant& needs, const std::string& scenario) {
  const auto info = std::ranges::find(scenario_list(), scenario, &ScenarioInfo::name);
  PATINA_REQUIRE(info != scenario_list().end(), "scenario {}", scenario);
  Grant apart = info->grant;
  apart.new_classes = true;
  apart.past_data = needs.past_data;
  if (scenario != "domain_incremental" || !needs.new_classes || missing(needs, apart)) return {};
  return "scenario.domain_classes = \"apart\"";
}

Scenario make_scenario(const ScenarioOptions& options, const DataSplits& data, bool past_data) {
  const auto info = std::ranges::find(scenario_list(), options.name, &ScenarioInfo::name);
  PATINA_REQUIRE(info != scenario_list().end(), "scenario {}", options.name);
  ScenarioInfo asked = *info;
  asked.grant.past_data = past_data;
  Scenario scenario = info->make(options, data, asked);
  if (scenario.tasks() > kMostTasks)
    fail(
        ErrorKind::scenario,
        "a stream of {} tasks; the record of a run has {} at most: raise scenario.classes_per_task",
        scenario.tasks(), kMostTasks);
  return scenario;
}

}  // namespace patina
