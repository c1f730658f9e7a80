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

}  // namespace
}  // namespace patina
