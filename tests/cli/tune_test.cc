// Tuning as a person meets it: values are chosen without the test split, then tested once.
#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill

#include <thread>

#include "patina/base/json.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

constexpr const char* kTuned = "[training]\nepochs = 3\nbatch_size = 4\n";

Json record_of(const fs::path& run) {
  return parse_json(read_text(run / "record.json"), run.string());
}

fs::path prepared(const char* name, int train = 10) {
  const auto folder = scratch_folder(name);
  write_images(folder / "images", 4, train, 3);
  write_text(folder / "recipe.toml", "name = \"toy\"\n" + std::string(kRecipe) + kTuned);
  return folder;
}

std::vector<std::string> tune(std::vector<std::string> more) {
  std::vector<std::string> words = {"tune",
                                    "recipe.toml",
                                    "training.lr=0.000001,0.01",
                                    "--set",
                                    "learner.name=finetune",
                                    "--threads",
                                    "1",
                                    "--out",
                                    "results"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Tune, chooses_without_the_test_split_and_tests_once) {
  const auto folder = prepared("cli-tune");
  fs::rename(folder / "images/test", folder / "kept");
  for (int c = 0; c < 4; ++c) {
    const auto hidden = folder / "images/test" / ("class" + std::to_string(c));
    fs::create_directories(hidden);
    write_text(hidden / "0.png", "nobody may read this");
  }
  const Result chosen = call(folder, tune({"--no-final", "--validation-percent", "20"}));
  ASSERT_EQ(chosen.code, 0) << chosen.err;
  EXPECT_TRUE(has(chosen.out,
                  "20 percent of each class's training samples; the test split was "
                  "not read"))
      << chosen.out;
  EXPECT_TRUE(has(chosen.out, "* chosen by average_incremental_accuracy: training.lr=0.01"))
      << chosen.out;
  EXPECT_FALSE(fs::exists(folder / "results/final"));
  const Json trial = record_of(folder / "results/validation/training.lr=0.01");
  EXPECT_EQ(trial["evaluated_on"], "validation");
  EXPECT_EQ(trial["data"]["train_samples"], 32);
  EXPECT_EQ(trial["data"]["test_samples"], 8);
  const Result resumed =
      call(folder, {"run", "recipe.toml", "--out", "results/validation/training.lr=0.01",
                    "--resume", "--set", "learner.name=finetune", "--set", "training.lr=0.01"});
  EXPECT_EQ(resumed.code, 2);
  EXPECT_TRUE(has(resumed.err,
                  "says `validation_percent = 20.0`, now it is `validation_percent = "
                  "0.0`"))
      << resumed.err;
  const Json summary = parse_json(read_text(folder / "results/summary.json"), "summary");
  EXPECT_EQ(summary["chosen"], Json({"training.lr=0.01"}));
  ASSERT_EQ(summary["trials"].size(), 2u);
  EXPECT_EQ(summary["trials"][1]["score"], trial["metrics"]["average_incremental_accuracy"]);
  EXPECT_GT(summary["trials"][1]["score"], summary["trials"][0]["score"]);

  fs::remove_all(folder / "images/test");
  fs::rename(folder / "kept", folder / "images/test");
  const auto written =
      fs::last_write_time(folder / "results/validation/training.lr=0.01/record.json");
  const Result tested = call(folder, tune({"--validation-percent", "20"}));
  ASSERT_EQ(tested.code, 0) << tested.err;
  EXPECT_EQ(fs::last_write_time(folder / "results/validation/training.lr=0.01/record.json"),
            written);
  EXPECT_TRUE(has(tested.out, "On the test split, trained on all training samples:"));
  EXPECT_TRUE(has(tested.out, "training.lr=0.01 chosen of training.lr=0.000001,0.01 by"))
      << tested.out;
  const Json final_run = record_of(folder / "results/final");
  EXPECT_EQ(final_run["evaluated_on"], "test");
  EXPECT_EQ(final_run["data"]["train_samples"], 40);
  EXPECT_EQ(final_run["data"]["test_samples"], 12);
  EXPECT_EQ(final_run["chosen"]["values"], Json({"training.lr=0.01"}));
  EXPECT_EQ(final_run["chosen"]["candidates"], Json({"training.lr=0.000001,0.01"}));
  EXPECT_EQ(final_run["chosen"]["validation_percent"], 20.0);

  const Result again = call(folder, {"run", "results/chosen.toml", "--out", "again"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(record_of(folder / "again")["matrix"], final_run["matrix"]);
  EXPECT_EQ(record_of(folder / "again")["chosen"], final_run["chosen"]);
  const Result other =
      call(folder, {"run", "results/chosen.toml", "--out", "other", "--set", "training.lr=0.03"});
  EXPECT_EQ(other.code, 0);
  EXPECT_TRUE(has(other.err, "it no longer has the values that [chosen] names")) << other.err;
  EXPECT_FALSE(record_of(folder / "other").contains("chosen"));

  const Result report =
      call(folder, {"report", "results/validation/training.lr=0.01", "results/final"});
  EXPECT_TRUE(has(report.out, "(validation)") && has(report.out, "do not compare")) << report.out;
}

TEST(Tune, a_killed_one_goes_on_where_it_was) {
  const auto folder = prepared("cli-tune-kill", 20);
  const auto first = folder / "results/validation/training.lr=0.000001/record.json";
  const auto more = {std::string("--no-final"), std::string("--set"),
                     std::string("training.epochs=4")};
  const pid_t child = start(folder, tune(more));
  const auto second = folder / "results/validation/training.lr=0.01/recipe.toml";
  for (int wait = 0; wait < 4800 && !fs::exists(second); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(child, SIGKILL);
  finish(folder, child);
  ASSERT_TRUE(fs::exists(first));
  const auto written = fs::last_write_time(first);
  ASSERT_FALSE(fs::exists(folder / "results/chosen.toml"));

  const Result result = call(folder, tune(more));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(fs::last_write_time(first), written) << "a complete run was run again";
  auto words = tune(more);
  words[words.size() - 4] = "whole";
  ASSERT_EQ(call(folder, words).code, 0);
  EXPECT_EQ(read_text(folder / "results/chosen.toml"), read_text(folder / "whole/chosen.toml"));
  for (const char* run : {"training.lr=0.000001", "training.lr=0.01"})
    EXPECT_EQ(record_of(folder / "results/validation" / run)["matrix"],
              record_of(folder / "whole/validation" / run)["matrix"])
        << run;
}

TEST(Tune, several_at_once_and_seeds_are_the_same_runs) {
  const auto folder = prepared("cli-tune-jobs");
  const Result result =
      call(folder, tune({"--seeds", "1", "2", "--jobs", "2", "--by", "last_accuracy"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(has(result.out, " ± ")) << result.out;
  for (const char* run : {"results/validation/training.lr=0.01/seed_2", "results/final/seed_1"})
    EXPECT_TRUE(has(read_text(folder / (std::string(run) + ".log")), "last acc")) << run;
  EXPECT_EQ(record_of(folder / "results/final/seed_2")["seeds"]["seed"], 2);
  const Json summary = parse_json(read_text(folder / "results/summary.json"), "summary");
  EXPECT_EQ(summary["trials"][0]["metrics"]["last_accuracy"].size(), 2u);
  const Result apart = call(folder, {"sweep", "recipe.toml", "--seeds", "2", "--out", "apart",
                                     "--threads", "1", "--set", "learner.name=finetune", "--set",
                                     "training.lr=0.01", "--set", "data.validation_percent=10"});
  ASSERT_EQ(apart.code, 0) << apart.err;
  EXPECT_EQ(record_of(folder / "apart/toy/seed_2")["matrix"],
            record_of(folder / "results/validation/training.lr=0.01/seed_2")["matrix"]);
}

TEST(Tune, a_value_that_fails_can_be_left_out) {
  const auto folder = prepared("cli-tune-failed");
  auto diverges = tune({"--no-final", "--set", "training.optimizer=sgd"});
  diverges[2] = "training.lr=0.01,1e30";
  const Result failed = call(folder, diverges);
  EXPECT_EQ(failed.code, 2);
  EXPECT_TRUE(has(failed.err,
                  "some runs failed; when the cause is removed, the same command goes on "
                  "with them, and "
                  "--skip-failed chooses without them:") &&
              has(failed.err, "lower training.lr"))
      << failed.err;
  EXPECT_FALSE(fs::exists(folder / "results/chosen.toml"));
  diverges.emplace_back("--skip-failed");
  const Result chosen = call(folder, diverges);
  EXPECT_EQ(chosen.code, 0) << chosen.err;
  EXPECT_TRUE(has(chosen.out, "training.lr=0.01\n")) << chosen.out;
}

TEST(Tune, mistakes_stop_it_before_anything_runs) {
  const auto folder = prepared("cli-tune-bad", 2);
  const auto refused = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"tune", "recipe.toml"});
    const Result result = call(folder, words);
    EXPECT_NE(result.code, 0);
    EXPECT_FALSE(fs::exists(folder / "runs")) << result.err;
    return result.err;
  };
  EXPECT_EQ(refused({"training.epoch=1,2"}),
            "patina: training.epoch=1, training.epoch=2: training.epoch: unknown key, did you mean "
            "\"epochs\"?\n");
  EXPECT_EQ(refused({"training.epochs=1,two"}),
            "patina: training.epochs=two: training.epochs: expected a whole number, found a "
            "string\n");
  EXPECT_EQ(refused({"training.epochs=1,1"}),
            "patina: training.epochs=1: the value is there twice\n");
  EXPECT_TRUE(has(refused({"training.epochs=1,2", "--by", "accuracy"}), "no metric \"accuracy\""));
  EXPECT_TRUE(
      has(refused({"training.epochs=1,2", "--validation-percent", "100"}), "between 0 and 100"));
  EXPECT_TRUE(has(refused({}), "candidates"));
  write_text(folder / "recipe.toml",
             "name = \"toy\"\n" + std::string(kRecipe) + "[data]\nname = \"folder\"\n");
  EXPECT_TRUE(has(refused({"training.epochs=1,2"}), "not valid TOML"));
}

}  // namespace
}  // namespace patina
