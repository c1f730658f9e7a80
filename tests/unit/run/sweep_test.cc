// What a sweep plans: the seeds and the folders of its runs.
#include "patina/run/sweep.h"

#include <gtest/gtest.h>

#include <set>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

struct Seeded {
  int64_t run, class_order, stream, domain, split, model;
  bool operator==(const Seeded&) const = default;
};
void PrintTo(const Seeded& s, std::ostream* out) {
  *out << fmt::format("{} {} {} {} {} {}", s.run, s.class_order, s.stream, s.domain, s.split,
                      s.model);
}
Seeded seeds_of(const Recipe& r) {
  return {r.seed,
          r.scenario.class_order_seed,
          r.scenario.stream_seed,
          r.data.domain_seed,
          r.data.split_seed,
          r.model.seed};
}

class PlannedSeeds : public testing::Test {
 protected:
  // Plans two seeds of a recipe on a base.
  std::vector<PlannedRun> plan(const std::string& base, const std::string& recipe,
                               std::vector<std::string> overrides = {},
                               std::vector<int64_t> seeds = {4, 5}) {
    const fs::path folder = scratch_folder("sweep-plan");
    write_text(folder / "base.toml", base);
    write_text(folder / "one.toml", "base = \"base.toml\"\nname = \"one\"\n" + recipe);
    return planned({{folder / "one.toml"}, std::move(overrides), std::move(seeds), folder / "out"});
  }
  static constexpr const char* kData = "[data]\nname = \"mnist\"\n";
};

TEST_F(PlannedSeeds, DrawEverythingRandom) {
  const auto runs = plan(kData, "");
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(seeds_of(runs[0].recipe), (Seeded{4, 4, 4, 4, 4, -1})) << "the model's is the run's";
  EXPECT_EQ(seeds_of(runs[1].recipe), (Seeded{5, 5, 5, 5, 5, -1}));
  EXPECT_EQ(runs[0].folder.filename(), "seed_4");
  EXPECT_EQ(runs[1].folder.parent_path().filename(), "one");
}

TEST_F(PlannedSeeds, ReplaceTheNumbersOfARecipeAndItsBase) {
  const auto runs = plan("seed = 1993\n[data]\nname = \"mnist\"\ndomain_seed = 3\n",
                         "[scenario]\nclass_order_seed = 1993\nstream_seed = 2\n"
                         "[model]\nseed = 0\n");
  EXPECT_EQ(seeds_of(runs[0].recipe), (Seeded{4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(seeds_of(runs[1].recipe), (Seeded{5, 5, 5, 5, 5, 5}));
}

TEST_F(PlannedSeeds, KeepWhatARecipePins) {
  const auto runs = plan(std::string(kData) + "[scenario]\nclass_order_seed = -1\n", "");
  EXPECT_EQ(seeds_of(runs[0].recipe), (Seeded{4, -1, 4, 4, 4, -1}));
  const auto listed = plan(kData, "[scenario]\nclass_order = [2, 0, 1]\n");
  for (const auto& run : listed)
    EXPECT_EQ(run.recipe.scenario.class_order, (std::vector<int64_t>{2, 0, 1}));
}

TEST_F(PlannedSeeds, KeepWhatIsSet) {
  const auto runs =
      plan(kData, "", {"scenario.class_order_seed=1993", "data.domain_seed=0", "seed=7"});
  EXPECT_EQ(seeds_of(runs[0].recipe), (Seeded{7, 1993, 4, 0, 4, -1}));
  EXPECT_EQ(seeds_of(runs[1].recipe), (Seeded{7, 1993, 5, 0, 5, -1}));
  const auto natural = plan(kData, "", {"scenario.class_order_seed=-1"});
  EXPECT_EQ(seeds_of(natural[0].recipe), (Seeded{4, -1, 4, 4, 4, -1}));
}

// A run in its own process gets the overrides as arguments.
TEST_F(PlannedSeeds, AreInTheOverridesOfTheRun) {
  for (const auto& run : plan(kData, "[scenario]\nclass_order_seed = -1\n", {"seed=7"})) {
    Recipe again = read_recipe(run.file, run.overrides), planned = read_recipe(run.file, {});
    EXPECT_EQ(seeds_of(again), seeds_of(run.recipe));
    EXPECT_NE(seeds_of(again), seeds_of(planned));
  }
}

TEST_F(PlannedSeeds, AreTheRecipesOwnWhereNoneAreGiven) {
  const auto runs = plan(kData, "seed = 9\n[scenario]\nstream_seed = 2\n", {}, {});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(seeds_of(runs[0].recipe), (Seeded{9, 1993, 2, 1993, 1993, -1}));
  EXPECT_EQ(runs[0].folder.filename(), "one");
}

TEST_F(PlannedSeeds, AreDistinct) {
  EXPECT_EQ(error_of([&] { plan(kData, "", {}, {4, 5, 4}); }), "--seeds: 4 is given twice");
}

// A sweep draws every option that is a seed. If there is a new one, the help must name it, too.
TEST_F(PlannedSeeds, AreAllThatTheHelpNames) {
  const auto runs = plan(std::string(kData) + "[model]\nseed = 0\n", "", {}, {4});
  EXPECT_EQ(
      std::set<std::string>(runs[0].overrides.begin(), runs[0].overrides.end()),
      (std::set<std::string>{"seed=4", "scenario.class_order_seed=4", "scenario.stream_seed=4",
                             "data.domain_seed=4", "data.split_seed=4", "model.seed=4"}));
}

std::vector<std::string> folders_below(const std::vector<PlannedRun>& runs) {
  std::vector<std::string> names;
  for (const auto& run : runs)
    names.push_back(run.folder.parent_path().filename().string() + "/" +
                    run.folder.filename().string());
  return names;
}

using Names = std::vector<std::string>;

TEST_F(PlannedSeeds, OfListsAreEveryCombinationWithEverySeed) {
  const auto runs = plan(kData, "", {"scenario.classes_per_task=[2, 5]", "training.lr=[0.1]"});
  EXPECT_EQ(folders_below(runs),
            (Names{"scenario.classes_per_task=2/seed_4", "scenario.classes_per_task=2/seed_5",
                   "scenario.classes_per_task=5/seed_4", "scenario.classes_per_task=5/seed_5"}));
  EXPECT_EQ(runs[3].recipe.scenario.classes_per_task, 5);
  EXPECT_EQ(runs[3].recipe.seed, 5);
  EXPECT_EQ(runs[3].recipe.training.optimizer.lr, 0.1) << "one value is no list";
  EXPECT_EQ(runs[3].name, "one scenario.classes_per_task=5");
  EXPECT_EQ(runs[3].recipe.name, runs[3].name);
  const auto two = plan(kData, "", {"seed=[1,2]", "training.lr=[0.1,1]"}, {});
  EXPECT_EQ(folders_below(two), (Names{"one/seed=1,training.lr=0.1", "one/seed=1,training.lr=1",
                                       "one/seed=2,training.lr=0.1", "one/seed=2,training.lr=1"}));
}

TEST_F(PlannedSeeds, KnowAListOfAnOptionFromAListOfValues) {
  const auto one = plan(kData, "", {"model.hidden=[100,200]"}, {});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].recipe.model.hidden, (std::vector<int64_t>{100, 200}));
  const auto two = plan(kData, "", {"model.hidden=[[100],[100,200]]"}, {});
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].recipe.model.hidden, std::vector<int64_t>{100});
  EXPECT_EQ(two[1].recipe.model.hidden, (std::vector<int64_t>{100, 200}));
}

TEST_F(PlannedSeeds, RefuseListsThatAreNone) {
  const auto said = [&](std::vector<std::string> overrides) {
    return error_of([&] { plan(kData, "", overrides, {}); });
  };
  EXPECT_EQ(said({"training.lr=[0.1,0.1]"}), "training.lr=0.1: the value is there twice");
  EXPECT_EQ(said({"training.lr=[0.1,]"}), "training.lr=[0.1,]: a value is missing");
  EXPECT_EQ(said({"training.lr=[1,2]", "training.lr=[3,4]"}),
            "training.lr: it has a list twice; name it once, with all its values");
  std::string many = "0";
  for (int i = 1; i < 40; ++i) many += fmt::format(",{}", i);
  EXPECT_EQ(said({"seed=[" + many + "]", "training.epochs=[" + many + "]"}),
            "more than 1000 combinations of values: name fewer");
}

}  // namespace
}  // namespace patina
