// A real text stream: CLINC150 in ten tasks of fifteen intents, through a random BERT with the real
// WordPiece vocabulary.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/run/run.h"
#include "patina/text/tokenizer.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

constexpr int64_t kIntents = 150;

class Clinc150 : public testing::TestWithParam<std::string> {};

TEST_P(Clinc150, TenTasksOfFifteenIntents) {
  PATINA_NEED_SHARED(folder, "data/clinc150");
  PATINA_NEED_SHARED(vocabulary, "data/tokenizers/bert_base_uncased/bert-base-uncased");
  auto file = RecipeFile::parse(
      fmt::format(R"(
[model]
name = "random"
[data]
name = "clinc150"
path = "{}"
train_per_class = 15
test_per_class = 6
[text]
max_length = 32
[scenario]
classes_per_task = 15
[learner]
name = "{}"
{}
[training]
epochs = 6
batch_size = 16
)",
                  folder.string(), GetParam(), GetParam() == "ranpac" ? "projection = 500" : ""),
      "clinc.toml");
  Recipe recipe;
  file.bind(recipe);
  file.finish();
  recipe.training.optimizer.lr = 0.03;
  LanguageShape shape = tiny_language("bert");
  shape.text.vocabulary = 30522;
  shape.text.block.width = 48;
  shape.pooling = Pooling::mean;
  // Word vectors are random and hardly mixed, so a text is nearly the set of its words.
  const auto bert = std::make_unique<LanguageModel>(shape);
  Random random = Seeds(1)("bert");
  for (auto& item : nn::tensors(*bert))
    if (item.name.find("norm") == std::string::npos)
      nn::init_normal(item.tensor, random, 0, item.name == "text.embed.weight" ? 1 : 0.02);
  nn::freeze(*bert);
  bert->set_tokenizer(load_tokenizer(vocabulary.string(), "bert"));
  const DataSplits data = open_data(recipe.data);
  const Json record = run(recipe, data, *bert, scratch_folder("clinc-" + GetParam()));
  EXPECT_EQ(record["status"], "complete");
  EXPECT_EQ(record["class_names"].size(), size_t(kIntents));
  ASSERT_EQ(record["matrix"].size(), 11u);
  double fresh = 0;
  for (size_t task = 0; task < 10; ++task) {
    EXPECT_EQ(record["tasks"][task]["train_samples"], 15 * 15);
    fresh += double(record["matrix"][task + 1][task]) / 10;
  }
  // Among up to 150 intents chance is below 2 % on average.
  EXPECT_GT(fresh, 0.15) << record["matrix"].dump();
}

INSTANTIATE_TEST_SUITE_P(Learners, Clinc150, testing::Values("simplecil", "ranpac", "finetune"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina
