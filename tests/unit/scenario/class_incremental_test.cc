// Class-incremental streams: which classes are in which task, their numbers, and the errors of
// options.
#include "patina/data/sample_access.h"
#include "patina/scenario/scenario.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

std::vector<int64_t> sizes(const ScenarioOptions& options, int64_t classes) {
  const auto data = toy_data(classes, 2, 1);
  const auto scenario = make_scenario(options, data);
  std::vector<int64_t> list;
  for (int task = 0; task < scenario.tasks(); ++task)
    list.push_back(int64_t(scenario.task_classes(task).size()));
  return list;
}

TEST(ClassIncremental, CutsTheClassesIntoTasks) {
  using Sizes = std::vector<int64_t>;
  EXPECT_EQ(sizes({.classes_per_task = 2}, 6), (Sizes{2, 2, 2}));
  EXPECT_EQ(sizes({.classes_per_task = 4}, 10), (Sizes{4, 4, 2}));
  EXPECT_EQ(sizes({.initial_classes = 5, .classes_per_task = 2}, 10), (Sizes{5, 2, 2, 1}));
  EXPECT_EQ(sizes({.initial_classes = 1, .classes_per_task = 9}, 10), (Sizes{1, 9}));
  EXPECT_EQ(sizes({.initial_classes = 10, .classes_per_task = 3}, 10), (Sizes{10}));
}

TEST(ClassIncremental, GivesEverySampleToOneTaskUnderItsStreamNumber) {
  const auto data = toy_data(7, 5, 3);
  const auto scenario = make_scenario({.classes_per_task = 3}, data);
  EXPECT_EQ(scenario.class_order(), numpy_permutation(1993, 7));
  EXPECT_EQ(scenario.classes()[0], fmt::format("toy {}", numpy_permutation(1993, 7)[0]));
  std::set<int64_t> used;
  int64_t seen = 0;
  auto stream = scenario.stream();
  for (int index = 0; const auto task = stream.next(); ++index) {
    EXPECT_EQ(task->index, index);
    EXPECT_EQ(task->fresh, scenario.task_classes(index));
    for (const int64_t fresh : task->fresh) EXPECT_EQ(fresh, seen++);
    EXPECT_EQ(int64_t(task->seen.size()), seen);
    for (const Dataset* part : {task->train, &scenario.test(index)}) {
      EXPECT_EQ(part->size(), int64_t(task->fresh.size()) * (part == task->train ? 5 : 3));
      for (int64_t i = 0; i < part->size(); ++i) {
        EXPECT_EQ(scenario.class_order()[size_t(part->target(i))],
                  SampleAccess::source(*part).label(SampleAccess::position(*part, i)));
        EXPECT_EQ(std::ranges::count(task->fresh, part->target(i)), 1);
        if (part == task->train) {
          EXPECT_TRUE(used.insert(SampleAccess::position(*part, i)).second);
        }
      }
    }
    EXPECT_EQ(&SampleAccess::source(*task->train), data.train.get());
    EXPECT_EQ(&SampleAccess::source(scenario.test(index)), data.test.get());
  }
  EXPECT_EQ(used.size(), 35u);
  EXPECT_FALSE(stream.next().has_value());
}

TEST(ClassIncremental, TakesTheDatasOwnOrderOrAnExplicitOne) {
  const auto data = toy_data(4, 2, 1);
  EXPECT_EQ(make_scenario({.classes_per_task = 2, .class_order_seed = -1}, data).class_order(),
            (std::vector<int64_t>{0, 1, 2, 3}));
  const auto chosen = make_scenario({.classes_per_task = 2, .class_order = {3, 0, 1}}, data);
  EXPECT_EQ(chosen.classes(), (std::vector<std::string>{"toy 3", "toy 0", "toy 1"}));
  EXPECT_EQ(chosen.tasks(), 2);
  EXPECT_EQ(chosen.test(1).size(), 1);  // class 2 was left out
}

TEST(ClassIncremental, SaysWhatDoesNotFit) {
  const auto data = toy_data(4, 2, 1);
  const auto message = [&](const ScenarioOptions& options) {
    return error_of([&] { make_scenario(options, data); });
  };
  EXPECT_PRED2(contains, message({.classes_per_task = 2, .class_order = {0, 4}}),
               "scenario.class_order: 4 is not a class");
  EXPECT_PRED2(contains, message({.classes_per_task = 2, .class_order = {-1}}),
               "-1 is not a class");
  EXPECT_PRED2(contains, message({.classes_per_task = 2, .class_order = {1, 2, 1}}),
               "1 is there twice");
  EXPECT_PRED2(contains, message({.classes_per_task = 5}), "lower scenario.classes_per_task");
  EXPECT_PRED2(contains, message({.initial_classes = 5, .classes_per_task = 1}),
               "toy has 4: lower scenario.initial_classes");
  const auto many = toy_data(1001, 1, 1);
  EXPECT_PRED2(contains, error_of([&] { make_scenario({.classes_per_task = 1}, many); }),
               "a stream of 1001 tasks; the record of a run has 1000 at most");
  EXPECT_EQ(make_scenario({.initial_classes = 2, .classes_per_task = 1}, many).tasks(), 1000);
  EXPECT_EQ(message({.classes_per_task = 4}), "");
}

TEST(ClassIncremental, HandsOutPastDataOnlyWhenGranted) {
  const auto data = toy_data(4, 3, 1);
  for (const bool past : {false, true}) {
    const auto scenario = make_scenario({.classes_per_task = 2}, data, past);
    EXPECT_EQ(scenario.grant().past_data, past);
    auto stream = scenario.stream();
    stream.next();
    const auto second = stream.next();
    EXPECT_EQ(second->train->size(), past ? 12 : 6);
    std::set<int64_t> targets(second->train->targets().begin(), second->train->targets().end());
    EXPECT_EQ(targets, past ? (std::set<int64_t>{0, 1, 2, 3}) : (std::set<int64_t>{2, 3}));
  }
}

TEST(ClassIncremental, ResumesItsStream) {
  const auto data = toy_data(6, 2, 1);
  const auto scenario = make_scenario({.classes_per_task = 2}, data, true);
  auto first = scenario.stream();
  first.next();
  const auto path = scratch_folder("stream") / "state";
  Archive save;
  first.state(save);
  save.write(path);
  auto second = scenario.stream();
  Archive load = Archive::read(path);
  second.state(load);
  const auto task = second.next();
  ASSERT_TRUE(task.has_value());
  EXPECT_EQ(task->index, 1);
  EXPECT_EQ(task->train->size(), 8);
}

TEST(Missing, EndsASentence) {
  const Grant offered{.task_id_at_train = true, .boundaries = true};
  EXPECT_EQ(missing({.boundaries = true}, offered), std::nullopt);
  EXPECT_EQ(missing({}, {}), std::nullopt);
  EXPECT_EQ(missing({.task_id_at_test = true, .boundaries = true}, offered),
            "the task's identity at test time");
  EXPECT_EQ(missing({.many_passes = true, .past_data = true}, offered),
            "more than one pass over a task's samples and the samples of earlier tasks");
  EXPECT_EQ(offered.names(), (std::vector<std::string>{"task_id_at_train", "boundaries"}));
}

}  // namespace
}  // namespace patina
