// The accuracy matrix and its metrics, compared with a matrix worked out by hand.
#include "patina/eval/matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

constexpr double kTiny = 1e-12;

// Rows 1..T; `before` is row 0 and may be empty.
AccuracyMatrix matrix_of(const std::vector<std::vector<double>>& rows,
                         const std::vector<double>& before = {}) {
  AccuracyMatrix matrix(static_cast<int>(rows.size()));
  for (int i = 1; i <= matrix.tasks(); ++i)
    for (int j = 0; j < matrix.tasks(); ++j) matrix.set(i, j, rows[i - 1][j]);
  for (size_t j = 0; j < before.size(); ++j) matrix.set(0, static_cast<int>(j), before[j]);
  return matrix;
}

AccuracyMatrix worked_example() {
  return matrix_of({{.9, .1, .2}, {.7, .8, .3}, {.6, .75, .85}}, {.05, .05, .1});
}

void expect_metric(const AccuracyMatrix& matrix, std::string_view name, double expected) {
  const Score score = metric(name).value(matrix);
  ASSERT_TRUE(score) << name;
  EXPECT_NEAR(*score, expected, kTiny) << name;
}

Score value(const AccuracyMatrix& matrix, std::string_view name) {
  return metric(name).value(matrix);
}

TEST(AccuracyMatrix, StartsUndefinedAndKeepsWhatIsSet) {
  AccuracyMatrix matrix(2);
  for (int i = 0; i <= 2; ++i)
    for (int j = 0; j < 2; ++j) EXPECT_FALSE(matrix.at(i, j));
  matrix.set(2, 1, .25);
  matrix.set(0, 0, 0.0);
  EXPECT_EQ(matrix.at(2, 1), Score(.25));
  EXPECT_EQ(matrix.at(0, 0), Score(0.0));
  EXPECT_FALSE(matrix.at(1, 1));
  matrix.set(2, 1, std::nullopt);
  EXPECT_FALSE(matrix.at(2, 1));
}

TEST(AccuracyMatrixDeathTest, StopsOutsideItsBounds) {
  AccuracyMatrix matrix(2);
  EXPECT_TRUE(contains(error_of([&] { (void)(matrix.at(3, 0)); }), "matrix of 2 tasks"));
  EXPECT_TRUE(contains(error_of([&] { (void)(matrix.at(0, 2)); }), "matrix of 2 tasks"));
  EXPECT_TRUE(contains(error_of([&] { (void)(matrix.at(-1, 0)); }), "matrix of 2 tasks"));
  EXPECT_TRUE(contains(error_of([&] { (void)(matrix.set(1, 0, std::nan(""))); }), "set to nan"));
  matrix.samples = {1, 2, 3};
  EXPECT_TRUE(contains(error_of([&] { (void)(value(matrix, "last_accuracy")); }),
                       "sample counts of 3 tasks"));
}

TEST(Metrics, WorkedExample) {
  const auto matrix = worked_example();
  expect_metric(matrix, "last_accuracy", 2.2 / 3);
  expect_metric(matrix, "average_accuracy", 2.2 / 3);
  expect_metric(matrix, "average_incremental_accuracy", (.9 + .75 + 2.2 / 3) / 3);
  expect_metric(matrix, "average_incremental_accuracy_macro", (.9 + .75 + 2.2 / 3) / 3);
  expect_metric(matrix, "forgetting", .175);
  expect_metric(matrix, "backward_transfer", -.175);
  expect_metric(matrix, "forward_transfer", .125);
  expect_metric(matrix, "learning_accuracy", .85);
  expect_metric(matrix, "backward_transfer_trace", -.35 / 3);
  expect_metric(matrix, "backward_transfer_all_pairs", (-.2 - .3 - .05) / 3);
  expect_metric(matrix, "forgetting_diagonal", .175);
  expect_metric(matrix, "forgetting_any_row", .175);
  expect_metric(matrix, "forward_transfer_no_baseline", .2);
  expect_metric(matrix, "zero_shot_transfer", .175);
  expect_metric(matrix, "mtil_average", 5.2 / 9);
}

TEST(Metrics, PerSampleAccuracyWeighsBySamples) {
  auto matrix = worked_example();
  matrix.samples = {100, 300, 600};
  const double after_two = (.7 * 100 + .8 * 300) / 400;
  const double after_three = (.6 * 100 + .75 * 300 + .85 * 600) / 1000;
  expect_metric(matrix, "last_accuracy", after_three);
  expect_metric(matrix, "average_incremental_accuracy", (.9 + after_two + after_three) / 3);
  expect_metric(matrix, "average_accuracy", 2.2 / 3);
  expect_metric(matrix, "average_incremental_accuracy_macro", (.9 + .75 + 2.2 / 3) / 3);
}

TEST(Metrics, TaskWithoutTestSamplesHasNoWeight) {
  auto matrix = worked_example();
  matrix.samples = {100, 0, 300};
  matrix.set(3, 1, std::nullopt);
  expect_metric(matrix, "last_accuracy", (.6 * 100 + .85 * 300) / 400);
  EXPECT_FALSE(value(matrix, "average_accuracy"));
  matrix.samples = {0, 0, 0};
  EXPECT_FALSE(value(matrix, "last_accuracy"));
}

TEST(Metrics, ForgettingMeasuresFromTheBestNotFromLearning) {
  // Task 1 peaks after task 2; task 2 falls to 0.
  const auto matrix = matrix_of({{.5, .1, .1}, {.8, .9, .1}, {.6, 0, .7}}, {.2, .1, .1});
  expect_metric(matrix, "forgetting", (.2 + .9) / 2);
  expect_metric(matrix, "forgetting_diagonal", (-.1 + .9) / 2);
  expect_metric(matrix, "backward_transfer", (.1 - .9) / 2);
}

TEST(Metrics, ForgettingCountsRowsBeforeLearningOnlyWhereMeasured) {
  // Task 2 was best before it was learned (row 1).
  auto matrix = matrix_of({{.5, .95, .1}, {.4, .9, .1}, {.3, .6, .7}});
  expect_metric(matrix, "forgetting", (.2 + .35) / 2);
  matrix.set(1, 1, std::nullopt);
  expect_metric(matrix, "forgetting", (.2 + .3) / 2);
  matrix.set(2, 1, std::nullopt);
  EXPECT_FALSE(value(matrix, "forgetting"));
}

TEST(Metrics, ForgettingAnyRowAlsoSeesRowZero) {
  auto matrix = worked_example();
  matrix.set(0, 1, .95);
  expect_metric(matrix, "forgetting", .175);
  expect_metric(matrix, "forgetting_any_row", (.3 + .2) / 2);
  matrix.set(0, 1, std::nullopt);
  expect_metric(matrix, "forgetting_any_row", .175);
}

TEST(Metrics, ImprovingTasksGiveNegativeForgetting) {
  const auto matrix = matrix_of({{.5, 0}, {.75, .5}});
  expect_metric(matrix, "forgetting", -.25);
  expect_metric(matrix, "backward_transfer", .25);
}

TEST(Metrics, WithoutRowZeroOnlyForwardTransferIsUndefined) {
  const auto matrix = matrix_of({{.9, .1, .2}, {.7, .8, .3}, {.6, .75, .85}});
  for (const auto& each : metrics())
    EXPECT_EQ(each.value(matrix).has_value(), each.name != "forward_transfer") << each.name;
}

TEST(Metrics, OneTaskHasAccuraciesButNoTransfer) {
  const auto matrix = matrix_of({{.8}}, {.1});
  const std::set<std::string> defined = {
      "last_accuracy",
      "average_accuracy",
      "learning_accuracy",
      "average_incremental_accuracy",
      "mtil_average",
      "average_incremental_accuracy_macro",
      "backward_transfer_trace",
  };
  for (const auto& each : metrics()) {
    const Score score = each.value(matrix);
    EXPECT_EQ(score.has_value(), defined.count(each.name) == 1) << each.name;
    const double expected = each.name == "backward_transfer_trace" ? 0 : .8;
    EXPECT_EQ(score.value_or(expected), expected) << each.name;
  }
}

TEST(Metrics, NoTasksAndNoMeasurementsAreUndefined) {
  for (const auto& matrix : {AccuracyMatrix(0), AccuracyMatrix(1), AccuracyMatrix(3)})
    for (const auto& each : metrics()) EXPECT_FALSE(each.value(matrix)) << each.name;
}

TEST(Metrics, AMissingEntryMakesItsMetricsUndefined) {
  auto matrix = worked_example();
  matrix.set(2, 0, std::nullopt);  // R[2][1]: below the diagonal, not in the last row
  for (const auto* name :
       {"average_incremental_accuracy", "average_incremental_accuracy_macro", "forgetting",
        "forgetting_any_row", "backward_transfer_all_pairs", "mtil_average"})
    EXPECT_FALSE(value(matrix, name)) << name;
  for (const auto* name : {"last_accuracy", "average_accuracy", "backward_transfer",
                           "forward_transfer", "learning_accuracy", "zero_shot_transfer"})
    EXPECT_TRUE(value(matrix, name)) << name;
}

// A class-incremental run: row 0 and tasks not yet learned were not measured.
TEST(Metrics, WhatReadsTasksNotYetLearnedIsUndefinedWithoutThem) {
  AccuracyMatrix matrix(3);
  const auto full = worked_example();
  for (int i = 1; i <= 3; ++i)
    for (int j = 0; j < i; ++j) matrix.set(i, j, full.at(i, j));
  const std::set<std::string> undefined = {"forward_transfer", "forward_transfer_no_baseline",
                                           "zero_shot_transfer", "mtil_average"};
  for (const auto& each : metrics()) {
    const bool defined = undefined.count(each.name) == 0;
    EXPECT_EQ(each.value(matrix).has_value(), defined) << each.name;
    if (defined) {
      expect_metric(matrix, each.name, *each.value(full));
    }
  }
}

// For each entry the metrics that cannot be computed without it, read off their formulas.
TEST(Metrics, EachHoleMakesThoseUndefinedThatReadIt) {
  const std::set<std::string> last = {"last_accuracy", "average_accuracy"};
  const std::set<std::string> seen = {"average_incremental_accuracy",
                                      "average_incremental_accuracy_macro", "mtil_average"};
  const std::set<std::string> peak = {"forgetting", "forgetting_any_row"};
  const std::set<std::string> change = {"backward_transfer", "backward_transfer_trace",
                                        "backward_transfer_all_pairs", "forgetting_diagonal"};
  const std::set<std::string> ahead = {"forward_transfer_no_baseline", "zero_shot_transfer",
                                       "mtil_average"};
  const auto joined = [](std::initializer_list<std::set<std::string>> sets) {
    std::set<std::string> all;
    for (const auto& set : sets) all.insert(set.begin(), set.end());
    return all;
  };
  // Rows 0 to 3, tasks 1 to 3.
  const std::vector<std::vector<std::set<std::string>>> holes = {
      {{}, {"forward_transfer"}, {"forward_transfer"}},
      {joined({seen, peak, change, {"learning_accuracy"}}), joined({ahead, {"forward_transfer"}}),
       ahead},
      {joined({seen, peak, {"backward_transfer_all_pairs"}}),
       joined({seen, peak, change, {"learning_accuracy"}}), joined({ahead, {"forward_transfer"}})},
      {joined({last, seen, peak, change}), joined({last, seen, peak, change}),
       joined({last, seen, {"learning_accuracy", "backward_transfer_trace"}})},
  };
  for (int i = 0; i <= 3; ++i)
    for (int j = 0; j < 3; ++j) {
      auto matrix = worked_example();
      matrix.set(i, j, std::nullopt);
      for (const auto& each : metrics())
        EXPECT_EQ(each.value(matrix).has_value(), holes[size_t(i)][size_t(j)].count(each.name) == 0)
            << each.name << " without R[" << i << "][" << j + 1 << "]";
    }
}

TEST(TaskForgetting, IsDefinedOnceALaterTaskIsLearned) {
  const auto matrix = worked_example();
  EXPECT_FALSE(task_forgetting(matrix, 0, 0));
  EXPECT_FALSE(task_forgetting(matrix, 1, 0));
  EXPECT_NEAR(task_forgetting(matrix, 2, 0).value(), .2, kTiny);
  EXPECT_NEAR(task_forgetting(matrix, 3, 0).value(), .3, kTiny);
  EXPECT_FALSE(task_forgetting(matrix, 3, 2));
}

TEST(Metrics, NamesAreUniqueAndTextsComplete) {
  std::set<std::string> names;
  for (const auto& each : metrics()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_FALSE(each.formula.empty()) << each.name;
    EXPECT_FALSE(each.source.empty()) << each.name;
    EXPECT_NE(each.about.find("better"), std::string::npos) << each.name;
    EXPECT_EQ(&metric(each.name), &each);
  }
  EXPECT_EQ(names.size(), 15u);
}

// The worked example as losses, 1 - score: what was gained and lost is the same.
TEST(ScoreMatrix, TurnsDifferencesWhereLowerScoresAreBetter) {
  const ScoreMatrix accuracies = worked_example();
  ScoreMatrix losses(3), mixed(3);
  losses.directions.assign(3, Direction::lower);
  mixed.directions = {Direction::higher, Direction::lower, Direction::higher};
  for (int after = 0; after <= 3; ++after)
    for (int task = 0; task < 3; ++task) {
      const double score = *accuracies.at(after, task);
      losses.set(after, task, 1 - score);
      mixed.set(after, task, task == 1 ? 1 - score : score);
    }
  for (const auto* matrix : {&losses, &mixed})
    for (const char* name :
         {"forgetting", "forgetting_any_row", "forgetting_diagonal", "backward_transfer",
          "backward_transfer_trace", "backward_transfer_all_pairs", "forward_transfer"})
      expect_metric(*matrix, name, *value(accuracies, name));
  for (const char* name : {"last_accuracy", "average_accuracy", "average_incremental_accuracy",
                           "average_incremental_accuracy_macro", "learning_accuracy",
                           "forward_transfer_no_baseline", "zero_shot_transfer", "mtil_average"}) {
    expect_metric(losses, name, 1 - *value(accuracies, name));
    EXPECT_FALSE(value(mixed, name)) << name;
  }
  EXPECT_NEAR(*task_forgetting(losses, 3, 0), .3, kTiny);
}

TEST(Metrics, UnknownNameSuggestsTheNearest) {
  try {
    metric("forgeting");
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_STREQ(error.what(),
                 "unknown metric \"forgeting\", did you mean \"forgetting\"? "
                 "(`patina list metrics` shows all)");
  }
}

TEST(Metrics, ReferencePageIsUpToDate) {
  const auto page = fs::path(PATINA_SOURCE_DIR) / "docs/reference/metrics.md";
  if (std::getenv("PATINA_UPDATE")) write_text(page, metrics_markdown());
  EXPECT_EQ(read_text(page), metrics_markdown()) << "run with PATINA_UPDATE=1 to write it anew";
}

}  // namespace
}  // namespace patina
