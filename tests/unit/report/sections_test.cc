// Sections of the page that only some runs have: what recipes differ in, what a learner shows of
// its inside, classes and their confusion.
#include <gtest/gtest.h>

#include <cstring>

#include "fake_record.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/report/page.h"
#include "patina/report/recipe_keys.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(RecipeKeys, AreThoseOfTheSectionsWithPlainValues) {
  const std::string recipe =
      "name = \"a \\\"b\\\"\"\nseed = 3\n\n[learner]\n# a comment = 1\nname = \"er\"\n"
      "\n[training]\nlr = 0.1\nbetas = [0.9, 0.99]\n";
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(recipe_keys(recipe), (Pairs{{"name", "\"a \\\"b\\\"\""},
                                        {"seed", "3"},
                                        {"learner.name", "\"er\""},
                                        {"training.lr", "0.1"},
                                        {"training.betas", "[0.9, 0.99]"}}));
  EXPECT_EQ(recipe_value(recipe, "name"), "a \"b\"");
  EXPECT_EQ(recipe_value(recipe, "learner.name"), "er");
  EXPECT_EQ(recipe_value(recipe, "learner.memory"), "");
}

TEST(RecipeDifferences, LeaveOutNamesAndSeeds) {
  std::vector<RunRecord> runs = {fake_run("ranpac"), fake_run("ranpac"), fake_run("finetune")};
  runs[0].record.recipe = "name = \"a\"\nseed = 1\n[training]\nlr = 0.1\nepochs = 5\n";
  runs[1].record.recipe = "name = \"b\"\nseed = 2\n[training]\nlr = 0.2\nepochs = 5\n";
  runs[2].record.recipe =
      "name = \"c\"\n[scenario]\nclass_order_seed = 7\n[training]\nlr = 0.1\nepochs = 5\npack = "
      "true\n";
  const auto differences = recipe_differences(runs);
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "training.lr");
  EXPECT_EQ(differences[0].values, (std::vector<std::string>{"0.1", "0.2", "0.1"}));
  EXPECT_EQ(differences[1].key, "training.pack");
  EXPECT_EQ(differences[1].values, (std::vector<std::string>{"", "", "true"}));
  const std::string html = page::differences_section(runs);
  EXPECT_TRUE(has(html, "<code>training.lr</code></th><td class=\"value\"><code>0.1</code>"));
  EXPECT_TRUE(has(html, "<td class=\"value\">-</td>"));
  EXPECT_EQ(page::differences_section({runs[0], runs[0]}), "");
}

TEST(InsideOfARun, ShowsTheChoiceOfPromptsAndOtherValues) {
  Record record = fake_run("ranpac").record;
  EXPECT_EQ(page::inside_of_run(record), "");
  record.diagnostics_after_task = {
      {{"histogram", {6, 3, 0}}, {"entropy", 0.6365}, {"note", "<b>"}},
      nullptr,
      {{"histogram", {1, 1}}, {"entropy", nullptr}, {"note", {"a", 1}}}};
  const std::string html = page::inside_of_run(record);
  EXPECT_TRUE(has(html, "How often each prompt was chosen"));
  EXPECT_TRUE(has(html, "--v:1.000\" title=\"1 after task 1: 6\">6</td>"));
  EXPECT_TRUE(has(html, "--v:0.500\" title=\"2 after task 1: 3\">3</td>"));
  EXPECT_TRUE(has(html, "<td class=\" none\"></td>")) << "a shorter row is filled up";
  EXPECT_TRUE(has(html, "<td>0.6365</td>"));
  EXPECT_TRUE(has(html, "<td>&lt;b&gt;</td>"));
  EXPECT_FALSE(has(html, "<b>"));
}

// The predictions of a run with two classes in each of two tasks.
RunRecord run_with_predictions(const fs::path& folder, const std::vector<int64_t>& target,
                               const std::vector<int64_t>& found) {
  RunRecord run = fake_run("ranpac");
  run.folder = folder;
  run.record.tasks.resize(2);
  run.record.tasks[0].classes = {"cat", "dog"};
  run.record.tasks[1].classes = {"fox", "<owl>"};
  run.record.class_names = {"cat", "dog", "fox", "<owl>"};
  run.record.class_order = {0, 1, 2, 3};
  const auto stored = [](const std::vector<int64_t>& values) {
    return StoredTensor{DType::i64,
                        {int64_t(values.size())},
                        {reinterpret_cast<const uint8_t*>(values.data()), values.size() * 8}};
  };
  write_safetensors(folder / "predictions.safetensors",
                    {{"target", stored(target)}, {"after_task_2", stored(found)}});
  return run;
}

TEST(ClassesOfARun, AreCountedFromItsPredictions) {
  const fs::path folder = scratch_folder("classes");
  const std::string html = page::classes_of_run(
      run_with_predictions(folder, {0, 0, 0, 0, 1, 1, 2, 3}, {0, 1, 1, 3, 1, 1, 2, 2}));
  EXPECT_TRUE(has(html,
                  "<tr><th scope=\"row\">cat</th><td>1</td><td>4</td><td>25.0</td><td "
                  "class=\"names\" data-v=\"0.5\">dog (50.0)</td>"))
      << html;
  EXPECT_TRUE(has(html,
                  "<tr><th scope=\"row\">dog</th><td>1</td><td>2</td><td>100.0</td><td "
                  "class=\"names\">-</td>"));
  EXPECT_TRUE(has(html, "&lt;owl&gt;</th><td>2</td><td>1</td><td>0.0</td>"));
  EXPECT_TRUE(has(html, "title=\"cat taken for dog: 50.0\">50</td>"));
  EXPECT_FALSE(has(html, "<owl>"));
}

TEST(ClassesOfARun, AreLeftOutWithTheReasonWhereThePredictionsAreWrong) {
  const fs::path folder = scratch_folder("classes-wrong");
  EXPECT_TRUE(
      has(page::classes_of_run(run_with_predictions(folder, {0, 4}, {0, 0})), "Not shown: "));
  EXPECT_TRUE(has(page::classes_of_run(run_with_predictions(folder, {0, 1}, {0})),
                  "1 predictions for 2 samples"));
  RunRecord run = run_with_predictions(folder, {0}, {0});
  write_text(folder / "predictions.safetensors", "nonsense");
  EXPECT_TRUE(has(page::classes_of_run(run), "Not shown: "));
  run.record.status = "interrupted";
  EXPECT_EQ(page::classes_of_run(run), "");
  fs::remove(folder / "predictions.safetensors");
  run.record.status = "complete";
  EXPECT_EQ(page::classes_of_run(run), "");
}

}  // namespace
}  // namespace patina
