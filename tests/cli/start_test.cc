// The first minutes: which recipes there are and what they need, and a recipe of one's own.
#include <set>

#include "patina/base/json.h"
#include "patina/learners/registry.h"
#include "patina/run/recipe.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

TEST(Recipes, are_listed_with_what_they_need) {
  const auto folder = scratch_folder("cli-recipes");
  make_folder(folder / "recipes/streams");
  make_folder(folder / "images");
  write_text(folder / "recipes/streams/base.toml", "[data]\nname = \"mnist\"\n");
  write_text(folder / "recipes/ready.toml", kRecipe);
  write_text(folder / "recipes/absent.toml",
             "[data]\nname = \"folder\"\npath = \"nowhere\"\n[model]\nname = "
             "\"vit_base_patch16_224\"\n[learner]\nname = \"ranpac\"\n");
  write_text(folder / "recipes/faulty.toml", "[learner]\nname = \"ranpack\"\n");
  const Result listed = call(folder, {"list", "recipes"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  for (const char* part :
       {"recipes/ready.toml   simplecil on folder (class_incremental), starter; ready\n",
        "recipes/absent.toml  ranpac on folder (class_incremental), vit_base_patch16_224; data "
        "folder not found; weights vit_base_patch16_224 not found\n",
        "recipes/faulty.toml  it cannot be read: ", "\nNot found here, and how to get it:\n",
        "  data folder: set data.path to where it is\n", "  weights vit_base_patch16_224: "})
    EXPECT_TRUE(has(listed.out, part)) << part << "\n" << listed.out;
  EXPECT_FALSE(has(listed.out, "base.toml")) << "a base is no recipe to run";

  const Json rows = parse_json(call(folder, {"list", "recipes", "recipes", "--json"}).out, "list");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["name"], "recipes/absent.toml");
  EXPECT_EQ(rows[0]["ready"], false);
  EXPECT_EQ(rows[0]["data"]["found"], false);
  EXPECT_EQ(rows[2]["learner"], "simplecil");
  EXPECT_EQ(rows[2]["ready"], true);
  EXPECT_EQ(call(folder, {"list", "recipes", "absent"}).code, 2);
  EXPECT_EQ(call(folder, {"list", "learners", "recipes"}).code, 2);
}

TEST(Init, writes_a_recipe_that_runs_and_overwrites_nothing) {
  const auto folder = scratch_folder("cli-init");
  write_images(folder / "images", 10, 4, 2);
  const Result made =
      call(folder, {"init", "mine", "--learner", "ranpac", "--data", "images", "--name", "first"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out,
            "mine/first.toml: ranpac on folder, checked: it can run\nnext: patina run "
            "mine/first.toml\n");
  const std::string text = read_text(folder / "mine/first.toml");
  for (const char* part : {"# ranpac: ", "McDonnell", "name = \"first\"\n", "path = \"images\"\n",
                           "classes_per_task = 2\n", "[learner]\nname = \"ranpac\"\n",
                           "\nprojection = 10000\n", "[training]\n", "name = \"starter\"\n"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  const Result run = call(folder, {"run", "mine/first.toml", "--set", "training.epochs=1", "--set",
                                   "learner.projection=100"});
  EXPECT_EQ(run.code, 0) << run.err;

  write_text(folder / "mine/first.toml", "mine");
  const Result again = call(folder, {"init", "mine", "--data", "images", "--name", "first"});
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(has(again.err, "mine/first.toml exists and is not changed")) << again.err;
  EXPECT_EQ(read_text(folder / "mine/first.toml"), "mine");
}

TEST(Init, leaves_nothing_behind_of_what_cannot_run) {
  const auto folder = scratch_folder("cli-init-refused");
  write_images(folder / "images", 2, 2, 1);
  const auto said = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"init", "new"});
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 2) << result.out;
    EXPECT_FALSE(fs::exists(folder / "new"));
    return result.err;
  };
  EXPECT_TRUE(has(said({"--learner", "ranpack"}), "did you mean \"ranpac\""));
  EXPECT_TRUE(has(said({"--data", "minst"}), "did you mean \"mnist\""));
  EXPECT_TRUE(has(said({"--learner", "sft", "--data", "images"}), "--backbone"));
  EXPECT_TRUE(has(said({"--learner", "hat", "--data", "images", "--backbone", "starter"}), "hat"));
  EXPECT_TRUE(has(said({"--data", "images", "--name", "../out"}), "cannot have a slash"));
}

// A learner of every family: its recipe is read as it was written.
TEST(Init, knows_every_family) {
  const auto folder = scratch_folder("cli-init-all");
  write_images(folder / "images", 10, 2, 1);
  std::set<std::string> families;
  for (const auto& row : learners()) {
    if (!families.insert(row.family).second) continue;
    SCOPED_TRACE(row.name);
    // A network that is not here: nothing is tried, and the recipe stays.
    const Result made = call(folder, {"init", "all", "--learner", row.name, "--data", "cifar100",
                                      "--backbone", "absent.safetensors"});
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_TRUE(has(made.out, "not ready to run")) << made.out;
    const Recipe recipe = read_recipe(folder / "all" / (row.name + ".toml"), {});
    EXPECT_EQ(recipe.learner.name, row.name);
    if (row.generates) continue;
    EXPECT_EQ(recipe.scenario.classes_per_task, 10);
  }
}

}  // namespace
}  // namespace patina
