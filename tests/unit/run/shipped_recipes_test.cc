// The recipes that come with patina: all can be read, and every data set that methods are compared
// on has one for every method.
#include <gtest/gtest.h>

#include <set>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "patina/learners/registry.h"
#include "patina/learners/two_tower/fusion_learner.h"
#include "patina/run/recipe.h"

namespace patina {
namespace {

std::vector<fs::path> recipes_in(const std::string& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path(PATINA_SOURCE_DIR) / "recipes" / folder))
    if (entry.path().extension() == ".toml") paths.push_back(entry.path());
  return paths;
}

class ShippedRecipes : public testing::TestWithParam<const char*> {};

TEST_P(ShippedRecipes, Read) {
  std::set<std::string> names;
  for (const auto& path : recipes_in(GetParam())) {
    try {
      const Recipe recipe = read_recipe(path, {});
      EXPECT_EQ(recipe.name, std::string(GetParam()) + "_" + path.stem().string());
      EXPECT_TRUE(names.insert(recipe.name).second) << path;
    } catch (const Error& error) {
      ADD_FAILURE() << path << ": " << error.what();
    }
  }
  EXPECT_GT(names.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    , ShippedRecipes,
    testing::Values("cifar100_small", "cifar100_starter", "cifar100", "cifar100_clip", "imagenet_r",
                    "imagenet_r_clip", "cub200", "pacs_clip", "fashion_mnist", "clinc150",
                    "clinc150_starter", "clinc150_small", "banking77", "snips", "five_texts", "asc",
                    "asc_told", "fewrel", "fewrel_told", "permuted_mnist", "split_mnist",
                    "split_mnist_told", "split_cifar100_small", "digits", "digits_vit", "pacs",
                    "omniglot", "si_blurry", "i_blurry_mnist", "online_mnist", "domain_corpora",
                    "domain_rounds", "knowledge_change", "trace_reasoning", "superni",
                    "small_intents", "small_clip", "small_x_tail", "small_mtil", "easy_vqa",
                    "visual_instructions", "vqa_kinds", "vqa_answers", "vqa_colors"));

// The classical families are compared on small networks instead.
bool is_classical(const LearnerRow& row) {
  return row.family == "replay" || row.family == "regularization" || row.family == "isolation" ||
         row.family == "online";
}

TEST(RecipesThatShip, HaveEveryMethodForTheFieldsDataSets) {
  for (const std::string folder : {"cifar100_small", "cifar100", "imagenet_r", "cub200"})
    for (const auto& row : learners()) {
      // In these streams the task is not known at test time.
      if (row.network == Network::clip || row.network == kQuestions || row.generates ||
          is_classical(row) || row.needs.task_id_at_test)
        continue;
      const auto path = fs::path(PATINA_SOURCE_DIR) / "recipes" / folder / (row.name + ".toml");
      EXPECT_TRUE(fs::exists(path)) << path;
    }
}

TEST(RecipesThatShip, HaveEveryMethodOfTwoTowers) {
  for (const std::string folder : {"cifar100_clip", "imagenet_r_clip"})
    for (const auto& row : learners()) {
      if (row.network != Network::clip) continue;
      const auto path = fs::path(PATINA_SOURCE_DIR) / "recipes" / folder / (row.name + ".toml");
      EXPECT_TRUE(fs::exists(path)) << path;
    }
}

TEST(RecipesThatShip, HaveEveryMethodForQuestionsAboutImages) {
  for (const std::string folder : {"vqa_kinds", "vqa_answers", "vqa_colors"})
    for (const auto& row : learners()) {
      if (row.network != kQuestions) continue;
      const auto path = fs::path(PATINA_SOURCE_DIR) / "recipes" / folder / (row.name + ".toml");
      EXPECT_TRUE(fs::exists(path)) << path;
    }
}

// Networks get the inputs that the authors' networks got: otherwise published tables cannot be
// reproduced.
TEST(RecipesThatShip, FeedWhatTheAuthorsFeed) {
  for (const std::string folder : {"cifar100", "imagenet_r", "cub200"})
    for (const auto& path : recipes_in(folder)) {
      const Recipe recipe = read_recipe(path, {});
      const std::string learner = recipe.learner.name;
      std::string feed = "unit";
      if (learner == "dap" || learner == "esn" || learner == "vpt") feed = "imagenet";
      if (learner.starts_with("slca") || learner == "coma" || learner == "cofima")
        feed = folder == "cifar100" ? "cifar100" : "imagenet";
      EXPECT_EQ(recipe.train_transform.normalize, feed) << path;
      EXPECT_EQ(recipe.test_transform.normalize, feed) << path;
    }
}

// The papers' values are both the learners' defaults and the recipes' for CIFAR-100.
TEST(RecipesThatShip, ForCifar100SayWhatTheLearnersDefaultsAre) {
  for (const std::string folder : {"cifar100", "cifar100_clip"})
    for (const auto& path : recipes_in(folder)) {
      const Recipe recipe = read_recipe(path, {});
      const LearnerRow& row = *find_learner(path.stem().string());
      TrainingOptions written = recipe.training, paper = row.training;
      EXPECT_EQ(reference_text(written), reference_text(paper)) << path;
    }
}

}  // namespace
}  // namespace patina
