// Properties of every scenario, for sizes that divide evenly and sizes that do not: which samples
// are in which stretch, how often, with which class number. The two blurry streams are compared
// with a plain version of their rules.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "patina/data/sample_access.h"
#include "patina/scenario/scenario.h"
#include "tests/support/errors.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

using Counts = std::map<std::pair<int64_t, int>, int64_t>;  // samples of a class in a stretch

DataSplits domains(int64_t classes, int64_t per_class) {
  return {"toy", std::make_unique<ToyDomains>(classes, per_class, 1),
          std::make_unique<ToyDomains>(classes, per_class, 2)};
}

Counts counts(const Scenario& scenario) {
  Counts result;
  for (int t = 0; t < scenario.tasks(); ++t)
    for (const int64_t target : scenario.train(t).targets()) ++result[{target, t}];
  return result;
}

struct StreamShape {
  int64_t classes, per_class, tasks;
};
void PrintTo(const StreamShape& s, std::ostream* out) {
  *out << s.classes << "x" << s.per_class << " in " << s.tasks;
}

class EveryScenario : public testing::TestWithParam<std::tuple<std::string, StreamShape>> {
 protected:
  std::string name() const { return std::get<0>(GetParam()); }
  StreamShape shape() const { return std::get<1>(GetParam()); }
  ScenarioOptions options() const {
    return {.name = name(),
            .classes_per_task = std::max<int64_t>(1, shape().classes / shape().tasks),
            .blurry_tasks = shape().tasks,
            .stream_seed = 3};
  }
  DataSplits data() const { return domains(shape().classes, shape().per_class); }
};

TEST_P(EveryScenario, HandsOutEverySampleOnceUnderOneNumber) {
  const auto data = this->data();
  const Scenario scenario = make_scenario(options(), data);
  std::set<int64_t> trained, tested;
  int64_t seen = 0;
  auto stream = scenario.stream();
  for (int index = 0; const auto task = stream.next(); ++index) {
    EXPECT_EQ(task->index, index);
    for (const int64_t c : task->fresh) EXPECT_EQ(c, seen++) << "classes are numbered as they come";
    EXPECT_EQ(int64_t(task->seen.size()), seen);
    EXPECT_EQ(scenario.seen_after(index + 1), seen);
    for (const auto& [part, used] :
         {std::pair(task->train, &trained), std::pair(&scenario.test(index), &tested)})
      for (int64_t i = 0; i < part->size(); ++i) {
        EXPECT_TRUE(used->insert(SampleAccess::position(*part, i)).second)
            << "sample " << SampleAccess::position(*part, i);
        EXPECT_EQ(scenario.class_order()[size_t(part->target(i))],
                  SampleAccess::source(*part).label(SampleAccess::position(*part, i)));
        EXPECT_LT(part->target(i), seen) << "a class before it is met";
      }
  }
  EXPECT_EQ(int64_t(trained.size()), data.train->size()) << "nothing is dropped";
  EXPECT_EQ(int64_t(tested.size()), data.test->size());
  EXPECT_EQ(seen, shape().classes);
}

TEST_P(EveryScenario, IsTheSameForTheSameSeeds) {
  const auto data = this->data();
  const Scenario one = make_scenario(options(), data), two = make_scenario(options(), data);
  ScenarioOptions other = options();
  other.stream_seed = 4;
  const Scenario changed = make_scenario(other, data);
  bool differs = false;
  for (int t = 0; t < one.tasks(); ++t) {
    EXPECT_EQ(one.train(t).targets(), two.train(t).targets());
    ASSERT_EQ(one.train(t).size(), two.train(t).size());
    for (int64_t i = 0; i < one.train(t).size(); ++i)
      EXPECT_EQ(SampleAccess::position(one.train(t), i), SampleAccess::position(two.train(t), i));
    differs = differs || one.train(t).size() != changed.train(t).size();
    for (int64_t i = 0; !differs && i < one.train(t).size(); ++i)
      differs =
          SampleAccess::position(one.train(t), i) != SampleAccess::position(changed.train(t), i);
  }
  EXPECT_EQ(differs, !one.grant().many_passes) << "only samples that come once have an order";
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& info : scenario_list()) list.push_back(info.name);
  return list;
}
INSTANTIATE_TEST_SUITE_P(, EveryScenario,
                         testing::Combine(testing::ValuesIn(names()),
                                          testing::Values(StreamShape{10, 20, 5},
                                                          StreamShape{13, 14, 4},
                                                          StreamShape{7, 32, 3})),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::to_string(std::get<1>(info.param).classes);
                         });

class Blurry : public testing::TestWithParam<std::string> {
 protected:
  ScenarioOptions options(int64_t tasks, double n, double m, uint64_t seed = 5) const {
    return {.name = GetParam(),
            .blurry_tasks = tasks,
            .disjoint_percent = n,
            .blurry_percent = m,
            .stream_seed = int64_t(seed)};
  }
};

// A class is disjoint or blurry; where it is blurry, most of its samples are in its main stretch.
TEST_P(Blurry, SpillsAsManySamplesAsItIsAskedTo) {
  for (const auto& [classes, tasks, n, m] :
       {std::tuple(20, 5, 50.0, 10.0), std::tuple(23, 4, 30.0, 30.0), std::tuple(12, 3, 0.0, 50.0),
        std::tuple(12, 3, 100.0, 50.0), std::tuple(12, 3, 50.0, 0.0)}) {
    const int64_t per_class = 100;
    const auto data = toy_data(classes, per_class, 1);
    const Scenario scenario = make_scenario(options(tasks, n, m), data);
    ASSERT_EQ(scenario.tasks(), tasks);
    std::map<int64_t, std::vector<int64_t>> of_class;
    for (const auto& [key, count] : counts(scenario)) of_class[key.first].push_back(count);
    int64_t whole = 0, outside = 0;
    for (auto& [c, list] : of_class) {
      whole += list.size() == 1;
      outside += per_class - *std::ranges::max_element(list);
    }
    const auto disjoint = int64_t(classes * n / 100);
    const int64_t blurry = (classes - disjoint) * per_class;
    EXPECT_GE(whole, disjoint);
    // Samples that a stretch gives away may come back to it.
    EXPECT_LE(outside, int64_t(double(blurry) * m / 100));
    if (GetParam() == "i_blurry") {
      const double back = 1.0 / double(tasks);
      EXPECT_NEAR(double(outside), double(blurry) * m / 100 * (1 - back),
                  4 * std::sqrt(double(blurry)) + double(tasks));
    }
    if (m == 0 || n == 100) {
      EXPECT_EQ(outside, 0);
    }
  }
}

TEST_P(Blurry, SharesClassesAsItsNameSays) {
  const auto data = toy_data(20, 10, 1);
  std::set<std::vector<int64_t>> seen;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Scenario scenario = make_scenario(options(4, 50, 0, seed), data);
    std::vector<int64_t> sizes;
    for (int t = 0; t < 4; ++t) sizes.push_back(int64_t(scenario.fresh_classes(t).size()));
    seen.insert(sizes);
  }
  if (GetParam() == "i_blurry")
    EXPECT_EQ(seen, (std::set<std::vector<int64_t>>{{4, 6, 4, 6}})) << "two of each kind, or three";
  else
    EXPECT_GE(seen.size(), 5u) << "cut points are drawn";
}

// The published sampler, told as its steps: chunks by integer division, what is left over dropped,
// the first samples in file order spilled, the pool's remainder dropped.
TEST_P(Blurry, DropsWhatTheOriginalDrops) {
  const int64_t classes = 23, per_class = 33, tasks = 4;
  const auto data = toy_data(classes, per_class, 1);
  ScenarioOptions asked = options(tasks, 50, 10);
  asked.compat = "original";
  const Scenario scenario = make_scenario(asked, data);
  int64_t total = 0;
  std::set<int64_t> met;
  for (int t = 0; t < scenario.tasks(); ++t) {
    total += scenario.train(t).size();
    met.insert(scenario.train(t).targets().begin(), scenario.train(t).targets().end());
  }
  // D = ⌊⌊23 / 2⌋ / 4⌋ 4 = 8, B = ⌊(23 - 8) / 4⌋ 4 = 12.
  EXPECT_EQ(met.size(), 20u);
  if (GetParam() == "i_blurry") {
    const int64_t given = int64_t(3 * per_class * 0.1);  // of each stretch's three blurry classes
    EXPECT_EQ(total, 20 * per_class - given * tasks % tasks);
    // In file order the classes alternate, so the first samples given away are the first in the
    // files.
    for (int t = 0; t < scenario.tasks(); ++t) {
      const Dataset& train = scenario.train(t);
      EXPECT_EQ(train.size(), 2 * per_class + 3 * per_class - given + given);
    }
  } else {
    EXPECT_EQ(total, 20 * per_class);
  }
}

INSTANTIATE_TEST_SUITE_P(, Blurry, testing::Values("i_blurry", "si_blurry"),
                         [](const auto& info) { return info.param; });

TEST(DomainIncremental, BringsTheSameClassesFromAnotherDomain) {
  const auto data = domains(4, 6);
  const Scenario scenario =
      make_scenario({.name = "domain_incremental", .domain_order = {1, 0}}, data);
  EXPECT_FALSE(scenario.grant().new_classes);
  ASSERT_EQ(scenario.tasks(), 2);
  auto stream = scenario.stream();
  for (int index = 0; const auto task = stream.next(); ++index) {
    EXPECT_EQ(task->classes, (std::vector<int64_t>{0, 1, 2, 3}));
    EXPECT_EQ(task->fresh.size(), index == 0 ? 4u : 0u);
    EXPECT_EQ(task->seen.size(), 4u);
    for (int64_t i = 0; i < task->train->size(); ++i)
      EXPECT_EQ(data.train->domain(SampleAccess::position(*task->train, i)), 1 - index);
  }
}

TEST(DomainIncremental, LearnsEachDomainsClassesApart) {
  const auto data = domains(4, 6);
  const Scenario scenario = make_scenario(
      {.name = "domain_incremental", .class_order = {2, 0, 3}, .domain_classes = "apart"}, data);
  EXPECT_TRUE(scenario.grant().new_classes);
  EXPECT_TRUE(scenario.domains_apart());
  EXPECT_EQ(scenario.classes(), (std::vector<std::string>{"toy 2", "toy 0", "toy 3"}));
  auto stream = scenario.stream();
  for (int64_t t = 0; const auto task = stream.next(); ++t) {
    const std::vector<int64_t> own = {3 * t, 3 * t + 1, 3 * t + 2};
    EXPECT_EQ(task->classes, own);
    EXPECT_EQ(task->fresh, own);
    EXPECT_EQ(task->known(), 3 * t);
    EXPECT_EQ(task->names, scenario.classes());
    for (const auto* part : {task->train, &scenario.test(int(t))})
      for (int64_t i = 0; i < part->size(); ++i) {
        const int64_t number = part->target(i) - (part == task->train ? 3 * t : 0);
        EXPECT_EQ(scenario.class_order()[size_t(number)],
                  SampleAccess::source(*part).label(SampleAccess::position(*part, i)));
        EXPECT_EQ(SampleAccess::source(*part).domain(SampleAccess::position(*part, i)), t);
      }
  }
  EXPECT_FALSE(make_scenario({.name = "domain_incremental"}, data).domains_apart());
}

// Domain 0 has classes 0 and 1, domain 1 has 1 and 2.
class OwnClasses : public ToySource {
 public:
  OwnClasses() : ToySource(3, 4) {}
  int64_t size() const override { return 8; }
  int64_t label(int64_t i) const override { return domain(i) + i % 2; }
  const std::vector<std::string>& domains() const override {
    static const std::vector<std::string> names = {"first", "second"};
    return names;
  }
  int64_t domain(int64_t i) const override { return i / 4; }
};

TEST(DomainIncremental, GivesEachDomainItsOwnClasses) {
  const DataSplits data{"toy", std::make_unique<OwnClasses>(), std::make_unique<OwnClasses>()};
  const ScenarioOptions options{.name = "domain_incremental",
                                .class_order_seed = -1,
                                .domain_order = {1, 0},
                                .domain_classes = "own"};
  const Scenario scenario = make_scenario(options, data);
  EXPECT_EQ(scenario.classes(), (std::vector<std::string>{"toy 1", "toy 2", "toy 0"}));
  EXPECT_FALSE(scenario.domains_apart());
  EXPECT_FALSE(scenario.grant().new_classes) << "class 1 comes in both";
  auto stream = scenario.stream();
  const Task second = *stream.next();
  EXPECT_EQ(second.classes, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(second.fresh, (std::vector<int64_t>{0, 1}));
  const Task first = *stream.next();
  EXPECT_EQ(first.classes, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(first.fresh, (std::vector<int64_t>{2}));
  EXPECT_EQ(first.seen.size(), 3u);
  EXPECT_EQ(first.train->targets(), (std::vector<int64_t>{2, 0, 2, 0}));
  ScenarioOptions without = options;
  without.class_order = {0, 2};
  EXPECT_TRUE(make_scenario(without, data).grant().new_classes);
}

TEST(DomainIncremental, SaysWhatDoesNotFit) {
  EXPECT_PRED2(contains,
               error_of([] { make_scenario({.name = "domain_incremental"}, toy_data(4, 2, 1)); }),
               "toy has one domain");
  EXPECT_PRED2(
      contains, error_of([] {
        make_scenario({.name = "domain_incremental", .domain_order = {0, 2}}, domains(4, 6));
      }),
      "2 is not a domain; toy has 2 domains");
  // With one drawing per class the second domain has none.
  EXPECT_PRED2(contains,
               error_of([] { make_scenario({.name = "domain_incremental"}, domains(4, 1)); }),
               "domain \"swapped\" has no training sample of class");
}

// Every sample once, in the order of its set; a part is tested on the whole set.
TEST(DataSets, ComeInRounds) {
  const DataSplits data = domains(2, 5);
  const Scenario whole = make_scenario({.name = "data_sets"}, data);
  const Scenario rounds = make_scenario({.name = "data_sets", .rounds = 3}, data);
  const int sets = whole.tasks();
  ASSERT_GT(sets, 1);
  ASSERT_EQ(rounds.tasks(), 3 * sets);
  const auto positions = [](const Dataset& samples) {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < samples.size(); ++i) all.push_back(SampleAccess::position(samples, i));
    return all;
  };
  for (int set = 0; set < sets; ++set) {
    std::vector<int64_t> parts;
    for (int round = 0; round < 3; ++round) {
      const int task = round * sets + set;
      const auto part = positions(rounds.train(task));
      EXPECT_NEAR(double(part.size()), double(whole.train(set).size()) / 3, 1);
      parts.insert(parts.end(), part.begin(), part.end());
      EXPECT_EQ(positions(rounds.test(task)), positions(whole.test(set)));
      EXPECT_EQ(rounds.task_name(task),
                fmt::format("{}, round {}", whole.task_name(set), round + 1));
    }
    EXPECT_EQ(parts, positions(whole.train(set)));
  }
  EXPECT_FALSE(rounds.grant().new_classes);
  EXPECT_TRUE(contains(error_of(ErrorKind::scenario,
                                [&] { make_scenario({.name = "data_sets", .rounds = 11}, data); }),
                       "are fewer than scenario.rounds = 11"));
}

}  // namespace
}  // namespace patina
