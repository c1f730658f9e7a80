// Every method on every scenario. If the scenario grants what the method needs, it learns on a toy
// stream, and a run that is stopped repeatedly ends like one that was not. Otherwise it is refused.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/run/run.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_network.h"

namespace patina {
namespace {

constexpr int64_t kClasses = 6;

struct Pair {
  std::string learner, scenario;
  bool apart = false;  // each domain's classes are classes of their own

  std::string name() const { return learner + "_on_" + scenario + (apart ? "_apart" : ""); }
};

Grant granted(const ScenarioInfo& info, const LearnerRow& row) {
  Grant grant = info.grant;
  grant.past_data = row.needs.past_data;
  return grant;
}

std::vector<Pair> pairs(bool fitting) {
  std::vector<Pair> list;
  for (const auto& row : learners())
    for (const auto& info : scenario_list()) {
      if (row.generates) continue;  // texts have scenarios of their own: generators_test.cc
      // Where a method fits, learners_test.cc has it on this one.
      if (fitting && info.name == "class_incremental") continue;
      // Of these data they make the stream of domain_incremental.
      if (fitting && (info.name == "data_sets" || info.name == "mtil" || info.name == "x_tail"))
        continue;
      if (!missing(row.needs, granted(info, row)) == fitting) list.push_back({row.name, info.name});
      if (fitting && remedy(row.needs, info.name)) list.push_back({row.name, info.name, true});
    }
  return list;
}

// Every second text of a class is of another domain.
class TextDomains : public ToyTexts {
 public:
  using ToyTexts::ToyTexts;
  const std::vector<std::string>& domains() const override {
    static const std::vector<std::string> names = {"even", "odd"};
    return names;
  }
  int64_t domain(int64_t i) const override { return i / int64_t(classes().size()) % 2; }
};

DataSplits toy_domains(const std::string& learner) {
  if (reads_texts(learner))
    return {"toy", std::make_unique<TextDomains>(kClasses, 24, 1),
            std::make_unique<TextDomains>(kClasses, 6, 2)};
  if (learns_questions(learner))
    return {"toy", std::make_unique<Asked<ToyDomains>>(kClasses, 24, 1),
            std::make_unique<Asked<ToyDomains>>(kClasses, 6, 2)};
  return {"toy", std::make_unique<ToyDomains>(kClasses, 24, 1),
          std::make_unique<ToyDomains>(kClasses, 6, 2)};
}

Recipe recipe_for(const Pair& pair) {
  Recipe recipe;
  auto settings = brief(pair.learner);
  settings.insert(
      settings.end(),
      {"seed=7", "data.name=toy", "model.name=toy", "learner.name=" + pair.learner,
       "scenario.name=" + pair.scenario,
       std::string("scenario.domain_classes=") + (pair.apart ? "apart" : "shared"),
       "scenario.classes_per_task=2", "scenario.blurry_tasks=3", "evaluation.every=40"});
  auto file = RecipeFile::parse("", "toy", settings);
  file.bind(recipe);
  const int64_t most_epochs = pair.learner == "esn" ? 30 : 8;  // its stages begin from nothing
  recipe.training.epochs = std::clamp<int64_t>(recipe.training.epochs, 2, most_epochs);
  recipe.training.batch_size = 8;
  // CLIB trains that often on each sample, not on each batch.
  recipe.training.updates_per_batch = pair.learner == "clib" ? 1 : 4;
  recipe.training.optimizer.lr = 0.01;
  return recipe;
}

Json run_pair(const Pair& pair, const fs::path& where, const RunControl& control = {}) {
  Recipe recipe = recipe_for(pair);
  const DataSplits data = toy_domains(pair.learner);
  const auto network = toy_network(pair.learner, kClasses);
  return run(recipe, data, *network, where, control);
}

class Pairs : public testing::TestWithParam<Pair> {
 protected:
  void SetUp() override { scratch_ = scratch_folder("pairs-" + GetParam().name()); }

  // Before learning, a head with initial weights can be evaluated on classes that stay the same,
  // and a learner that knows names on any classes.
  static void expect_row_zero(const Json& record) {
    const Pair& pair = GetParam();
    const bool stay = pair.scenario == "domain_incremental" && !pair.apart;
    const bool drawn = record["parameters"]["trainable"] > 0;
    const bool names = find_learner(pair.learner)->network == Network::clip;
    for (const auto& entry : record["matrix"][0])
      EXPECT_EQ(entry.is_number(), names || (stay && drawn)) << record["matrix"].dump();
  }

  fs::path scratch_;
};

TEST_P(Pairs, learns_and_resumes_to_the_same_bits) {
  const auto run_in = [](const fs::path& where) {
    return [where](const RunControl& control) { return run_pair(GetParam(), where, control); };
  };
  const auto [whole, bits, asks] = run_whole(run_in(scratch_ / "whole"), scratch_ / "whole");
  EXPECT_EQ(whole["status"], "complete");
  EXPECT_GT(whole["metrics"]["last_accuracy"].get<double>(), 1.2 / double(kClasses));
  expect_row_zero(whole);
  const bool once = !make_scenario(recipe_for(GetParam()).scenario, toy_domains(GetParam().learner))
                         .grant()
                         .many_passes;
  EXPECT_EQ(whole.contains("anytime"), once);
  if (once) {
    const Json& points = whole["anytime"];
    EXPECT_EQ(points.back()["samples"], kClasses * 24);
    EXPECT_EQ(points.size(), 4u) << "every 40 of 144 samples, and the end";
    EXPECT_EQ(points.back()["accuracy"], whole["metrics"]["last_accuracy"]);
  }
  // Two stops inside tasks: that a learner can be stopped after any step is tested on the
  // class-incremental stream.
  const auto [pieces, stops] =
      run_in_pieces(run_in(scratch_ / "stopped"), std::max(1, asks * 2 / 5));
  EXPECT_GE(stops, 1);
  EXPECT_EQ(whole["matrix"], pieces["matrix"]);
  if (once) {
    EXPECT_EQ(whole["anytime"], pieces["anytime"]);
  }
  EXPECT_EQ(bits, learned(scratch_ / "stopped"));
}

const auto pair_name = [](const auto& info) { return info.param.name(); };
INSTANTIATE_TEST_SUITE_P(, Pairs, testing::ValuesIn(pairs(true)), pair_name);

class Refused : public testing::TestWithParam<Pair> {};

// What a method lacks there, in the words of the error.
std::string lacking(const Grant& needs, const Grant& granted) {
  const std::pair<bool Grant::*, const char*> words[] = {
      {&Grant::task_id_at_train, "the task's identity while training"},
      {&Grant::task_id_at_test, "the task's identity at test time"},
      {&Grant::boundaries, "to be told when a task ends"},
      {&Grant::many_passes, "more than one pass over a task's samples"},
      {&Grant::new_classes, "classes in every task that no other task has"}};
  std::string list;
  for (const auto& [need, word] : words)
    if (needs.*need && !(granted.*need)) list += (list.empty() ? "" : " and ") + std::string(word);
  return list;
}

TEST_P(Refused, with_all_that_is_missing) {
  const auto where = scratch_folder("refused-" + GetParam().name()) / "run";
  const LearnerRow& row = *find_learner(GetParam().learner);
  const auto& info = *std::ranges::find(scenario_list(), GetParam().scenario, &ScenarioInfo::name);
  const bool helped = remedy(row.needs, info.name).has_value();
  EXPECT_EQ(error_of([&] { run_pair(GetParam(), where); }),
            fmt::format("{} cannot run on {}: it needs {}{}", row.name, info.name,
                        lacking(row.needs, info.grant),
                        helped ? "; with scenario.domain_classes = \"apart\" it has them" : ""));
  EXPECT_FALSE(fs::exists(where));
}

INSTANTIATE_TEST_SUITE_P(, Refused, testing::ValuesIn(pairs(false)), pair_name);

}  // namespace
}  // namespace patina
