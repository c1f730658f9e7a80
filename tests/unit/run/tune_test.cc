// Tuning before and after its runs: what is refused, which runs are planned, which one is chosen,
// and the recipe that is written.
#include "patina/run/tune.h"

#include <set>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/eval/anytime.h"
#include "patina/record/record.h"
#include "patina/run/run_folder.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

using Strings = std::vector<std::string>;

class Tuned : public testing::Test {
 protected:
  Tuned() : folder_(scratch_folder("tune")) {
    write_mnist(folder_ / "mnist", false);
    write_text(folder_ / "recipe.toml",
               fmt::format("name = \"toy\"\n[data]\nname = \"mnist\"\npath = \"{}\"\n"
                           "[scenario]\nclasses_per_task = 5\n[learner]\nname = \"ewc\"\n",
                           (folder_ / "mnist").string()));
  }

  TunePlan plan(Strings candidates) const {
    TunePlan plan;
    plan.recipe = folder_ / "recipe.toml";
    plan.candidates = std::move(candidates);
    plan.out = folder_ / "out";
    return plan;
  }
  std::string said_of(const TunePlan& plan) const {
    return error_of([&] { Tuning(TunePlan(plan)); });
  }
  std::string refused(Strings candidates) const { return said_of(plan(std::move(candidates))); }

  // A record as a complete run of this recipe leaves it, with one metric.
  void finish(const Trial& trial, Score value, const std::string& metric) const {
    for (size_t i = 0; i < trial.folders.size(); ++i) {
      Record record;
      record.status = "complete";
      record.recipe = trial.recipes[i];
      record.tasks.resize(1);
      record.matrix.resize(2, {0.5});
      record.top5_matrix.resize(2, {0.5});
      record.accuracy_after_task = {0.5};
      record.metrics = {{metric, value}};
      make_folder(trial.folders[i]);
      write_text(RunFolder{trial.folders[i]}.record(), to_json(record).dump());
    }
  }

  fs::path folder_;
};

TEST_F(Tuned, PlansEveryCombination) {
  auto asked = plan({"learner.strength=1,10", "training.lr=0.1, 0.01 ,1"});
  asked.overrides = {"training.epochs=2"};
  const Tuning tuning(asked);
  ASSERT_EQ(tuning.trials().size(), 6u);
  EXPECT_EQ(tuning.trials()[1].values, (Strings{"learner.strength=1", "training.lr=0.01"}));
  EXPECT_EQ(tuning.trials()[5].values, (Strings{"learner.strength=10", "training.lr=1"}));
  EXPECT_EQ(tuning.trials()[5].folders,
            std::vector<fs::path>{folder_ / "out/validation/learner.strength=10,training.lr=1"});
  EXPECT_EQ(tuning.validation_percent(), 10);
  EXPECT_FALSE(fs::exists(folder_ / "out")) << "nothing is written yet";
  const auto runs = tuning.validation_runs();
  ASSERT_EQ(runs.size(), 6u);
  for (const auto& run : runs) {
    EXPECT_EQ(run.recipe.data.validation_percent, 10);
    EXPECT_EQ(run.recipe.training.epochs, 2);
  }
  EXPECT_EQ(runs[3].recipe.training.optimizer.lr, 0.1);
  // A list in brackets, as `patina sweep` takes it, is the same.
  const Tuning again(plan({"learner.strength=[1,10]", "training.lr=[0.1, 0.01 ,1]"}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(again.trials()[i].values, tuning.trials()[i].values);
}

TEST_F(Tuned, HoldsOutTheSameSamplesForEveryValue) {
  auto asked = plan({"learner.strength=1,10", "training.lr=0.1,1"});
  asked.seeds = {1, 2};
  std::set<Strings> held;
  const auto runs = Tuning(asked).validation_runs();
  ASSERT_EQ(runs.size(), 8u);
  EXPECT_EQ(runs[1].recipe.seed, 2);
  EXPECT_EQ(runs[1].folder.filename(), "seed_2");
  for (const auto& run : runs) {
    const auto data = open_data(run.recipe.data);
    Strings origins;
    for (int64_t i = 0; i < data.test->size(); ++i) origins.push_back(data.test->origin(i));
    EXPECT_EQ(origins.size(), 10u);
    held.insert(origins);
  }
  EXPECT_EQ(held.size(), 2u) << "one for each seed";
  asked.overrides = {"data.split_seed=1993"};
  EXPECT_EQ(Tuning(asked).validation_runs()[1].recipe.data.split_seed, 1993) << "it is pinned";
  asked.seeds = {1, 2, 1};
  EXPECT_EQ(said_of(asked), "--seeds: 1 is given twice");
}

TEST_F(Tuned, TakesThePercentageOfThePlanThenOfTheRecipe) {
  auto asked = plan({"training.lr=0.1,1"});
  asked.overrides = {"data.validation_percent=30"};
  EXPECT_EQ(Tuning(asked).validation_percent(), 30);
  asked.validation_percent = 40;
  EXPECT_EQ(Tuning(asked).validation_percent(), 40);
  EXPECT_EQ(Tuning(asked).validation_runs()[0].recipe.data.validation_percent, 40);
}

TEST_F(Tuned, DrawsCombinations) {
  auto asked = plan({"learner.strength=1,2,3,4,5", "training.lr=0.1,1"});
  asked.random = 4;
  const Tuning tuning(asked), again(asked);
  ASSERT_EQ(tuning.trials().size(), 4u);
  std::set<Strings> values;
  for (size_t i = 0; i < 4; ++i) {
    values.insert(tuning.trials()[i].values);
    EXPECT_EQ(tuning.trials()[i].values, again.trials()[i].values);
  }
  EXPECT_EQ(values.size(), 4u);
  asked.random = 50;
  EXPECT_EQ(Tuning(asked).trials().size(), 10u) << "all, where there are no more";
}

TEST_F(Tuned, ListsAreValues) {
  const Tuning tuning(plan({"train_transform.scale=[0.5,1.0],[0.1,0.2]"}));
  ASSERT_EQ(tuning.trials().size(), 2u);
  EXPECT_EQ(tuning.trials()[1].values, Strings{"train_transform.scale=[0.1,0.2]"});
  const std::string name = tuning.trials()[1].folders[0].filename().string();
  EXPECT_TRUE(name.starts_with("train_transform.scale=_0.1,0.2_-")) << name;
}

TEST_F(Tuned, EveryMistakeIsNamed) {
  EXPECT_EQ(refused({"learner.strenght=1,10", "training.lr=-1,0.1,high"}),
            "learner.strenght=1, learner.strenght=10: learner.strenght: unknown key, did you mean "
            "\"strength\"?\n"
            "training.lr=-1: training.lr: must be > 0, is -1\n"
            "training.lr=high: training.lr: expected a number, found a string");
  EXPECT_EQ(refused({"learner.strength=1,1.0"}),
            "learner.strength=1 and learner.strength=1.0 are the same value");
}

TEST_F(Tuned, RefusesWhatIsNoChoice) {
  EXPECT_EQ(refused({"training.lr"}), "training.lr: expected key=value,value");
  EXPECT_EQ(refused({"training.lr=0.1,,1"}), "training.lr=0.1,,1: a value is missing");
  EXPECT_EQ(refused({"training.lr=0.1,1,0.1"}), "training.lr=0.1: the value is there twice");
  EXPECT_EQ(refused({"training.lr=0.1"}),
            "training.lr=0.1: one value is no choice; name several, or use --set training.lr=0.1");
  EXPECT_EQ(refused({"training.lr=1,2", "training.lr=3,4"}),
            "training.lr: it is there twice; name it once, with all its values");
  EXPECT_TRUE(contains(refused({"data.train_per_class=1,2"}), "data is not tuned"));
  EXPECT_TRUE(contains(refused({"seed=1,2"}), "seed is not tuned, since runs that differ in it"));
  EXPECT_TRUE(contains(refused({"model.seed=1,2"}), "model.seed is not tuned"));
  auto set = plan({"training.lr=0.1,1"});
  set.overrides = {"training.lr=3"};
  EXPECT_EQ(said_of(set), "training.lr: it is tuned and given by --set; leave out one");
  EXPECT_TRUE(contains(refused({}), "nothing to choose"));
}

TEST_F(Tuned, RefusesTooManyCombinations) {
  std::string many = "learner.strength=0";
  for (int i = 1; i < 101; ++i) many += fmt::format(",{}", i);
  auto asked = plan({many, "training.epochs=1,2,3,4,5,6,7,8,9,10"});
  EXPECT_EQ(said_of(asked),
            "1010 combinations: at most 1000 are run, drawn of at most 1000000; name fewer values, "
            "or draw some of them with --random");
  asked.random = 3;
  EXPECT_EQ(said_of(asked), "");
  std::string rates = "training.lr=1";
  for (int i = 2; i < 1101; ++i) rates += fmt::format(",{}", i);
  asked.candidates.push_back(rates);
  EXPECT_TRUE(contains(said_of(asked), "more than 1000000 combinations"));
}

TEST_F(Tuned, RefusesMetricsThatAreNotMeasured) {
  auto asked = plan({"training.lr=0.1,1"});
  asked.by = "forgeting";
  EXPECT_TRUE(contains(said_of(asked),
                       "there is no metric \"forgeting\" of a run, did you mean "
                       "\"forgetting\"?"));
  asked.by = "a_auc";
  EXPECT_TRUE(contains(said_of(asked), "class_incremental is none"));
}

TEST(Metrics, SayWhichDirectionIsGood) {
  const auto says = [](const std::string& about) {
    return contains(about, "Higher is better") != contains(about, "Lower is better");
  };
  for (const auto& metric : metrics()) EXPECT_TRUE(says(metric.about)) << metric.name;
  for (const auto& metric : anytime_metrics()) EXPECT_TRUE(says(metric.about)) << metric.name;
}

TEST_F(Tuned, ChoosesTheFirstOfTheBest) {
  auto asked = plan({"learner.strength=1,10,100,1000"});
  const Tuning high(asked);
  EXPECT_EQ(high.best({0.2, 0.5, std::nullopt, 0.5}), 1u);
  EXPECT_EQ(high.best({std::nullopt, -0.5, -0.7, std::nullopt}), 1u);
  EXPECT_TRUE(contains(error_of(ErrorKind::state,
                                [&] {
                                  (void)high.best({{}, {}, {}, {}});
                                }),
                       "average_incremental_accuracy is undefined for every combination"));
  asked.by = "forgetting";
  EXPECT_EQ(Tuning(asked).best({0.2, 0.1, std::nullopt, 0.1}), 1u);
}

TEST_F(Tuned, ScoresAreMeansOverCompleteRuns) {
  auto asked = plan({"learner.strength=1,10"});
  asked.seeds = {1, 2};
  asked.by = "last_accuracy";
  const Tuning tuning(asked);
  const Trial& trial = tuning.trials()[0];
  EXPECT_EQ(tuning.score(trial), std::nullopt) << "no run yet";
  finish(trial, 0.25, "last_accuracy");
  EXPECT_EQ(tuning.score(trial), Score(0.25));
  finish({trial.values, {trial.folders[1]}, {trial.recipes[1]}}, 0.75, "last_accuracy");
  EXPECT_EQ(tuning.score(trial), Score(0.5));
  finish({trial.values, {trial.folders[1]}, {"another"}}, 0.75, "last_accuracy");
  EXPECT_EQ(tuning.score(trial), std::nullopt) << "a run of another recipe";
  finish(trial, std::nullopt, "last_accuracy");
  EXPECT_EQ(tuning.score(trial), std::nullopt);
}

TEST_F(Tuned, WritesTheChosenRecipeOverTheTunedOne) {
  auto asked = plan({"learner.strength=1,10", "training.lr=0.1,1"});
  asked.overrides = {"training.epochs=3", "data.validation_percent=20", "training.epochs=4"};
  const Tuning tuning(asked);
  const auto file = tuning.write_recipe(tuning.trials()[2], 0.75);
  EXPECT_EQ(read_text(file),
            "# Written by `patina tune`: the best average_incremental_accuracy of 4 combinations, "
            "compared on a validation split of\n"
            "# 20 percent of each class's training samples. The test split was not read.\n"
            "base = \"../recipe.toml\"\n"
            "\n[training]\nepochs = 4\nlr = 0.1\n"
            "\n[data]\nvalidation_percent = 0\n"
            "\n[learner]\nstrength = 10\n"
            "\n[chosen]\nvalues = [\"learner.strength=10\", \"training.lr=0.1\"]\n"
            "candidates = [\"learner.strength=1,10\", \"training.lr=0.1,1\"]\n"
            "combinations = 4\nby = \"average_incremental_accuracy\"\nscore = 0.75\n"
            "validation_percent = 20.0\n");
  Recipe chosen = read_recipe(file, {});
  EXPECT_EQ(chosen.training.epochs, 4);
  EXPECT_EQ(chosen.data.validation_percent, 0);
  EXPECT_EQ(chosen.name, "toy");
  EXPECT_EQ(chosen.chosen.values, tuning.trials()[2].values);

  const auto runs = tuning.final_runs();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].folder, folder_ / "out/final");
  EXPECT_EQ(runs[0].recipe.data.validation_percent, 0);

  Recipe changed = read_recipe(file, {"training.lr=1"});
  EXPECT_TRUE(changed.chosen.values.empty()) << "1 was not chosen";
  EXPECT_FALSE(contains(to_toml(changed), "chosen"));
  EXPECT_FALSE(read_recipe(file, {"seed=5"}).chosen.values.empty());
}

TEST_F(Tuned, AnotherChoiceDoesNotReplaceATestedOne) {
  const Tuning tuning(plan({"learner.strength=1,10"}));
  tuning.write_recipe(tuning.trials()[0], 0.75);
  auto runs = tuning.final_runs();
  make_folder(folder_ / "out/final");
  write_text(folder_ / "out/final/recipe.toml", to_toml(runs[0].recipe));
  EXPECT_EQ(refused({"learner.strength=1,10"}), "");
  EXPECT_EQ(refused({"learner.strength=1,10,100"}),
            (folder_ / "out/final").string() +
                " was chosen of other candidates (learner.strength=1,10, by "
                "average_incremental_accuracy): move it away, or use another --out");
}

}  // namespace
}  // namespace patina
