// Texts through the feed, the loader, the trainer and learners that do not depend on the kind of
// input.
#include <gtest/gtest.h>

#include <set>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/run/run.h"
#include "patina/session/feed.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_source.h"
#include "tests/support/toy_text.h"

namespace patina {
namespace {

// A source of the given texts.
class FewTexts : public ToyTexts {
 public:
  explicit FewTexts(std::vector<Text> texts)
      : ToyTexts(1, int64_t(texts.size())), texts_(std::move(texts)) {}
  Text text(int64_t i) const override { return texts_[size_t(i)]; }

 private:
  std::vector<Text> texts_;
};

Input input_of(const TextFeed& feed, std::vector<Text> texts) {
  const FewTexts source(std::move(texts));
  const auto making = feed.begin(source, source.size());
  for (int64_t i = 0; i < source.size(); ++i) making->prepare(i, i, Random());
  return making->join();
}

std::vector<int64_t> row(const Tensor& t, int64_t i) {
  return items_of(t[i].contiguous());
}

using Ids = std::vector<int64_t>;

TEST(TextFeed, PadsOnTheRightAndMasks) {
  const WordTokenizer words;
  const int64_t a = *words.id("a"), b = *words.id("b");
  const Input input = input_of(TextFeed(words, {}), {{"a", ""}, {"b a b", ""}});
  EXPECT_EQ(row(input.data, 0), (Ids{1, a, 2, 5, 5}));
  EXPECT_EQ(row(input.mask, 0), (Ids{1, 1, 1, 0, 0}));
  EXPECT_EQ(row(input.data, 1), (Ids{1, b, a, b, 2}));
  EXPECT_EQ(row(input.mask, 1), (Ids{1, 1, 1, 1, 1}));
  EXPECT_FALSE(input.types.defined());
  EXPECT_TRUE(input.is_text());
}

TEST(TextFeed, TellsTheTextsOfAPairApart) {
  const WordTokenizer words;
  const int64_t a = *words.id("a"), b = *words.id("b");
  const Input input = input_of(TextFeed(words, {}), {{"a", "b b"}, {"a", ""}});
  EXPECT_EQ(row(input.data, 0), (Ids{1, a, 2, b, b, 2}));
  EXPECT_EQ(row(input.types, 0), (Ids{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(row(input.data, 1), (Ids{1, a, 2, 5, 5, 5}));
  EXPECT_EQ(row(input.types, 1), Ids(6, 0));
}

TEST(TextFeed, CutsAndNeverGivesAnEmptyRow) {
  const WordTokenizer words, bare(/*framed=*/false);
  const int64_t a = *words.id("a");
  EXPECT_EQ(row(input_of(TextFeed(words, {.max_length = 4}), {Text{"a a a a", ""}}).data, 0),
            (Ids{1, a, a, 2}));
  const Input empty = input_of(TextFeed(bare, {}), {{" ", ""}, {"a a", ""}});
  EXPECT_EQ(row(empty.data, 0), (Ids{3, 5}));
  EXPECT_EQ(row(empty.mask, 0), (Ids{1, 0}));
}

TEST(TextFeed, SaysEverythingThatChangesTheInput) {
  const WordTokenizer words, bare(/*framed=*/false);
  const std::set<std::string> lines = {TextFeed(words, {}).text(), TextFeed(bare, {}).text(),
                                       TextFeed(words, {.max_length = 9}).text()};
  EXPECT_EQ(lines.size(), 3u);
  EXPECT_EQ(TextFeed(words, {}).text(), TextFeed(WordTokenizer(), {}).text());
}

TEST(MakeFeed, RefusesWhatTheModelDoesNotTake) {
  const ToyTexts texts(2, 2);
  const ToySource images(2, 2);
  const MeanOfWords words;
  const auto vit = random_vit();
  const auto error = [](auto&&... arguments) { return error_of([&] { make_feed(arguments...); }); };
  EXPECT_EQ(make_feed(words, texts)->unit(), "texts");
  EXPECT_EQ(make_feed(*vit, images)->unit(), "images");
  EXPECT_TRUE(contains(error(*vit, texts), "the data are texts, but the model takes images"));
  EXPECT_TRUE(contains(error(words, images), "the data are images, but the model takes texts"));
  EXPECT_TRUE(contains(error(words, texts, TransformOptions{}, TextOptions{.max_length = 17}),
                       "text.max_length is 17, but the model takes 16 tokens at most"));
  EXPECT_TRUE(contains(error(words, texts, TransformOptions{}, TextOptions{.max_length = 3}),
                       "text.max_length is 3, but 3 tokens stand around"));
  EXPECT_TRUE(contains(error(*vit, images, TransformOptions{.size = 32}),
                       "test_transform.size is 32, but the model takes 16 px"));
  EXPECT_TRUE(contains(make_feed(words, texts)->text(), "max_length=16"));
  MeanOfWords other;
  other.set_tokenizer(nullptr);
  EXPECT_TRUE(contains(error(other, texts), "there is no tokenizer beside the weights"));
  other.set_tokenizer(std::make_shared<WordTokenizer>(true, 513));
  EXPECT_TRUE(contains(error(other, texts), "has 513 tokens, the network knows 512"));
}

TEST(Loader, GivesTheLongestTextsFirstAndSaysWhichTheyAre) {
  const ToyTexts source(3, 25);
  const Dataset data = whole(source);
  const WordTokenizer words;
  const TextFeed feed(words, {});
  std::vector<std::vector<Batch>> runs;
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    Loader loader(data, feed, pool, 20);
    std::vector<Batch>& batches = runs.emplace_back();
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  }
  std::set<int64_t> rows;
  int64_t width = 1000, padded = 0;
  for (size_t b = 0; b < runs[0].size(); ++b) {
    const Batch& batch = runs[0][b];
    EXPECT_TRUE(at::equal(batch.input.data, runs[1][b].input.data));
    EXPECT_TRUE(at::equal(batch.row, runs[1][b].row));
    EXPECT_LE(batch.input.data.size(1), width + 2);  // sorted by bytes, which are nearly words
    width = batch.input.data.size(1);
    padded += (batch.input.mask == 0).sum().item<int64_t>();
    for (const int64_t i : items_of(batch.row)) rows.insert(i);
    for (const int64_t i : {int64_t{0}, batch.size() - 1}) {
      const int64_t at_row = batch.row[i].item<int64_t>();
      EXPECT_EQ(batch.target[i].item<int64_t>(), data.target(at_row));
      EXPECT_EQ(batch.input.data[i][1].item<int64_t>(),
                *words.id(fmt::format("c{}w0", source.label(at_row))));
    }
  }
  EXPECT_EQ(rows.size(), 75u);
  EXPECT_LT(padded, 75 * 2);
}

TEST(Trainer, FeaturesOfTextsFollowTheDatasetsOrder) {
  const ToyTexts source(3, 60);
  const Dataset data = whole(source);
  const MeanOfWords words;
  const auto feed = make_feed(words, source);
  ThreadPool pool(2);
  Trainer trainer({}, *feed, *feed, pool, Seeds(1));
  const Tensor features = trainer.features(words, data).features;
  for (const int64_t i : {0, 7, 150, 179}) {
    const auto alone = feed->begin(source, 1);
    alone->prepare(0, i, Random());
    EXPECT_LT(relative_error(features.slice(0, i, i + 1), words.features(alone->join())), 1e-6);
  }
}

constexpr int64_t kClasses = 6;

Recipe toy_recipe(const std::string& learner) {
  Recipe recipe;
  auto file = RecipeFile::parse(fmt::format(R"(
[data]
name = "text"
[scenario]
classes_per_task = 2
[learner]
name = "{}"
)",
                                            learner),
                                "toy.toml");
  file.bind(recipe);
  recipe.training.epochs = 8;
  recipe.training.batch_size = 8;
  recipe.training.optimizer.lr = 0.05;
  return recipe;
}

Json run_texts(const std::string& learner, const fs::path& folder, const RunControl& control = {}) {
  Recipe recipe = toy_recipe(learner);
  const DataSplits data = toy_texts(kClasses, 20, 8);
  MeanOfWords words;
  return run(recipe, data, words, folder, control);
}

// The keys of a record, without values.
void shape(const Json& json, const std::string& path, std::set<std::string>& paths) {
  paths.insert(path);
  if (json.is_object())
    for (const auto& item : json.items()) shape(item.value(), path + "." + item.key(), paths);
}
std::set<std::string> shape(const Json& json) {
  std::set<std::string> paths;
  shape(json, "", paths);
  return paths;
}

class TextLearners : public testing::TestWithParam<std::string> {};

TEST_P(TextLearners, LearnTextsWithARecordLikeThatOfImages) {
  const auto folder = scratch_folder("text-" + GetParam());
  const Json record = run_texts(GetParam(), folder / "text");
  EXPECT_EQ(record["status"], "complete");
  for (int task = 1; task <= 3; ++task)
    EXPECT_GT(record["matrix"][size_t(task)][size_t(task - 1)].get<double>(), 1.2 / (2 * task));
  EXPECT_EQ(record["model"]["image_size"], 0);
  EXPECT_EQ(record["data"]["train_samples"], 20 * kClasses);

  Recipe recipe = toy_recipe(GetParam());
  recipe.training.epochs = 1;
  const DataSplits images = toy_data(kClasses, 4, 2);
  const auto vit = random_vit();
  EXPECT_EQ(shape(record), shape(run(recipe, images, *vit, folder / "images")));
}

TEST_P(TextLearners, ResumeToTheSameBits) {
  const auto folder = scratch_folder("text-resume-" + GetParam());
  const Json whole = run_texts(GetParam(), folder / "whole", {.data_threads = 1});
  Json pieces;
  for (int stops = 0; stops < 100 && pieces.is_null(); ++stops) {
    int left = 7;
    try {
      pieces = run_texts(GetParam(), folder / "pieces",
                         {.mode = RunMode::resume, .should_stop = [&] { return --left <= 0; }});
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::stopped) << error.what();
    }
  }
  EXPECT_EQ(whole["matrix"], pieces["matrix"]);
  EXPECT_EQ(read_file(folder / "whole/predictions.safetensors"),
            read_file(folder / "pieces/predictions.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Learners, TextLearners, testing::Values("simplecil", "finetune", "ranpac"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina
