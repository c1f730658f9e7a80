// Means and deviations over seeds.
#include "patina/report/seeds.h"

#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "tests/unit/report/fake_record.h"

namespace patina {
namespace {

TEST(Seeds, SpreadOfTheDefinedOnes) {
  const auto all = spread({0.5, std::nullopt, 0.7, 0.6});
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->runs, 3);
  EXPECT_NEAR(all->mean, 0.6, 1e-12);
  EXPECT_NEAR(all->deviation, 0.1, 1e-12);
  EXPECT_EQ(spread({0.5})->deviation, 0);
  EXPECT_FALSE(spread({std::nullopt}).has_value());
}

// A run with another accuracy, and its name.
RunRecord with_accuracy(const std::string& name, double last) {
  RunRecord run = fake_run("ranpac");
  run.record.name = name;
  metric_in(run, "last_accuracy") = last;
  return run;
}

TEST(Seeds, RunsOfOneNameAreOneRow) {
  const std::vector<RunRecord> runs = {with_accuracy("a", 0.80), with_accuracy("b", 0.5),
                                       with_accuracy("a", 0.84)};
  const std::string text = summary_text(runs);
  EXPECT_NE(text.find("82.0 ± 2.8"), std::string::npos) << text;
  EXPECT_NE(text.find("50.0"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  const Json all = summary(runs);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["name"], "a");
  EXPECT_EQ(all[0]["metrics"]["last_accuracy"]["runs"], 2);
  EXPECT_NEAR(all[0]["metrics"]["last_accuracy"]["mean"].get<double>(), 0.82, 1e-12);
}

TEST(Seeds, ScoresOfTextsHaveTheirOwnUnit) {
  std::vector<RunRecord> runs = {with_accuracy("a", 3.25), with_accuracy("a", 3.75)};
  for (auto& run : runs)
    for (auto& task : run.record.tasks)
      task.probe = {.data_set = "python", .metric = "bits_per_byte", .better = "lower"};
  const std::string text = summary_text(runs);
  EXPECT_NE(text.find("3.500 ± 0.354"), std::string::npos) << text;
  EXPECT_EQ(text.find('%'), std::string::npos) << text;
}

TEST(Seeds, RunsOfOneNameAndOtherOptionsAreApart) {
  RunRecord first = with_accuracy("a", 0.8), seed = first, option = first;
  first.record.recipe = "name = \"a\"\nseed = 1\n\n[scenario]\nclass_order_seed = 1\n";
  seed.record.recipe = "name = \"a\"\nseed = 2\n\n[scenario]\nclass_order_seed = 2\n";
  option.record.recipe = first.record.recipe + "classes_per_task = 5\n";
  const std::vector<RunRecord> runs = {first, option, seed};
  const auto groups = seed_groups(runs);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].runs, (std::vector<const RunRecord*>{&runs[0], &runs[2]}));
  EXPECT_TRUE(over_seeds(groups));
  EXPECT_FALSE(over_seeds(seed_groups({first, option})));
}

TEST(Seeds, ValidationIsARowOfItsOwn) {
  RunRecord held_out = with_accuracy("a", 0.1);
  held_out.record.evaluated_on = "validation";
  const std::vector<RunRecord> runs = {with_accuracy("a", 0.8), held_out};
  const Json all = summary(runs);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["evaluated_on"], "test");
  EXPECT_EQ(all[1]["evaluated_on"], "validation");
  EXPECT_NE(summary_text(runs).find("a (validation)"), std::string::npos);
}

TEST(Seeds, AnInterruptedRunCountsForNothing) {
  RunRecord stopped = with_accuracy("a", 0.1);
  stopped.record.status = "interrupted";
  EXPECT_EQ(summary({stopped, with_accuracy("a", 0.8)})[0]["metrics"]["last_accuracy"]["runs"], 1);
}

}  // namespace
}  // namespace patina
