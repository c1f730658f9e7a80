// Sweeps as a person meets them: several recipes, what is complete is kept, what failed is named.
#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill

#include <algorithm>
#include <cstring>
#include <thread>

#include "patina/base/json.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

TEST(Sweep, runs_what_is_missing_and_compares_all) {
  const auto folder = scratch_folder("cli-sweep");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "one.toml", "name = \"one\"\n" + std::string(kRecipe));
  write_text(folder / "two.toml",
             "name = \"two\"\n" + std::string(kRecipe) +
                 "[model]\nname = \"vit_tiny_patch16_224\"\npath = \"absent\"\n");
  const std::vector<std::string> both = {"sweep",   "one.toml", "two.toml", "--out",     "results",
                                         "--seeds", "1",        "2",        "--no-check"};
  const Result first = call(folder, both);
  EXPECT_EQ(first.code, 2);
  EXPECT_TRUE(has(first.err, "  results/two/seed_1: ") && has(first.err, "absent")) << first.err;
  EXPECT_TRUE(has(first.out, "±")) << first.out;
  const auto record = folder / "results/one/seed_1/record.json";
  const auto written = fs::last_write_time(record);

  write_text(folder / "two.toml",
             "name = \"two\"\n" + std::string(kRecipe) + "[training]\nepochs = 1\n");
  const Result second = call(folder, both);
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(fs::last_write_time(record), written) << "a complete run was run again";
  const Json all = parse_json(read_text(folder / "results/summary.json"), "summary");
  ASSERT_EQ(all.size(), 2u);
  for (const auto& recipe : all) EXPECT_EQ(recipe["metrics"]["last_accuracy"]["runs"], 2);
  EXPECT_TRUE(fs::exists(folder / "results/report.html"));
  const auto order = [&](const char* run) {
    return parse_json(read_text(folder / "results/one" / run / "record.json"), run)["class_order"];
  };
  EXPECT_NE(order("seed_1"), order("seed_2"));
  const Result report = call(folder, {"report", "results", "-o", "page.html"});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_TRUE(has(report.out, "simplecil seed_2") && has(report.out, "over seeds:")) << report.out;
  EXPECT_TRUE(has(read_text(folder / "page.html"), "one, 2 seeds"));
}

TEST(Sweep, several_at_once_are_the_same_runs) {
  const auto folder = scratch_folder("cli-sweep-jobs");
  write_images(folder / "images", 4, 6, 3);
  const std::string learns = std::string(kRecipe) + "[training]\nepochs = 1\n";
  for (const char* name : {"one", "two", "three"})
    write_text(folder / (std::string(name) + ".toml"),
               fmt::format("name = \"{}\"\nseed = {}\n", name, std::strlen(name)) + learns);
  write_text(folder / "bad.toml",
             "name = \"bad\"\n" + learns +
                 "[model]\nname = \"vit_tiny_patch16_224\"\npath = \"absent\"\n");
  std::vector<std::string> words = {
      "sweep", "one.toml", "two.toml", "bad.toml", "three.toml", "--set", "learner.name=finetune"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return call(folder, more);
  };
  const Result apart = with({"--out", "apart", "--jobs", "2", "--no-check"});
  EXPECT_EQ(apart.code, 2);
  EXPECT_TRUE(has(apart.err, "  apart/bad: ") && has(apart.err, "absent") &&
              has(apart.err, "see apart/bad.log"))
      << apart.err;
  EXPECT_TRUE(has(apart.out, "one") && has(apart.out, "three")) << apart.out;
  EXPECT_TRUE(has(apart.err, "apart/three is complete")) << apart.err;
  words.erase(words.begin() + 3);
  EXPECT_EQ(with({"--out", "in_turn", "--threads", "1"}).code, 0);
  const auto read = [&](const std::string& run) {
    return parse_json(read_text(folder / run / "record.json"), run);
  };
  for (const char* name : {"one", "two", "three"}) {
    SCOPED_TRACE(name);
    const Json one = read(std::string("apart/") + name),
               other = read(std::string("in_turn/") + name);
    EXPECT_EQ(one["matrix"], other["matrix"]);
    EXPECT_EQ(one["recipe"], other["recipe"]);
    EXPECT_TRUE(has(read_text(folder / "apart" / (std::string(name) + ".log")), "last acc"));
  }
  const auto written = fs::last_write_time(folder / "apart/one/record.json");
  EXPECT_EQ(with({"--out", "apart", "--jobs", "2"}).code, 0);
  EXPECT_EQ(fs::last_write_time(folder / "apart/one/record.json"), written);
}

TEST(Sweep, several_at_once_stop_together) {
  const auto folder = scratch_folder("cli-sweep-stop");
  write_images(folder / "images", 4, 40, 3);
  for (const char* name : {"one", "two"})
    write_text(folder / (std::string(name) + ".toml"),
               fmt::format("name = \"{}\"\n", name) + kRecipe + "[training]\nepochs = 100000\n");
  const pid_t child = start(folder, {"sweep", "one.toml", "two.toml", "--out", "runs", "--jobs",
                                     "2", "--set", "learner.name=finetune"});
  const auto learns = [&](const char* name) {
    const auto log = folder / "runs" / name;
    return fs::exists(log) && has(read_text(log), "training");
  };
  for (int wait = 0; wait < 600 && !(learns("one.log") && learns("two.log")); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  kill(child, SIGTERM);
  const Result result = finish(folder, child);
  EXPECT_EQ(result.code, 128 + SIGTERM) << result.err;
  for (const char* name : {"one", "two"}) {
    EXPECT_TRUE(fs::exists(folder / "runs" / name / "checkpoint.safetensors")) << name;
    EXPECT_TRUE(has(read_text(folder / (fmt::format("runs/{}.log", name))), "continues")) << name;
  }
}

TEST(Sweep, a_bad_recipe_stops_it_before_anything_runs) {
  const auto folder = scratch_folder("cli-sweep-bad");
  write_images(folder / "images", 2, 2, 1);
  write_text(folder / "good.toml", kRecipe);
  write_text(folder / "bad.toml", std::string(kRecipe) + "[training]\nepoch = 1\n");
  const Result bad = call(folder, {"sweep", "good.toml", "bad.toml"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_TRUE(has(bad.err, "did you mean \"epochs\"")) << bad.err;
  EXPECT_FALSE(fs::exists(folder / "runs"));
  const Result twins = call(folder, {"sweep", "good.toml", "good.toml"});
  EXPECT_EQ(twins.code, 2);
  EXPECT_TRUE(has(twins.err, "simplecil")) << twins.err;
}

TEST(Sweep, checks_every_run_before_the_first) {
  const auto folder = scratch_folder("cli-sweep-check");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "one.toml", kRecipe);
  const Result refused = call(folder, {"sweep", "one.toml", "--seeds", "1", "2", "--set",
                                       "scenario.name=[class_incremental,domain_incremental]"});
  EXPECT_EQ(refused.code, 2);
  const size_t at = refused.err.find(
      "nothing was run, since some runs cannot:\n  simplecil scenario.name=domain_incremental: ");
  ASSERT_NE(at, std::string::npos) << refused.err;
  EXPECT_EQ(std::count(refused.err.begin() + std::ptrdiff_t(at), refused.err.end(), '\n'), 2)
      << "a mistake is told once, not for every seed: " << refused.err;
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

TEST(Sweep, runs_every_combination_of_lists) {
  const auto folder = scratch_folder("cli-sweep-grid");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "one.toml", kRecipe);
  const Result swept = call(
      folder, {"sweep", "one.toml", "--out", "grid", "--set", "scenario.classes_per_task=[1,2]",
               "--set", "seed=[1, 2]", "--set", "data.train_per_class=5"});
  ASSERT_EQ(swept.code, 0) << swept.err;
  for (const int classes : {1, 2})
    for (const int seed : {1, 2}) {
      const std::string values = fmt::format("scenario.classes_per_task={},seed={}", classes, seed);
      const Json record =
          parse_json(read_text(folder / "grid/simplecil" / values / "record.json"), "record");
      EXPECT_EQ(record["tasks"].size(), size_t(4 / classes));
      EXPECT_EQ(record["seeds"]["seed"], seed);
      EXPECT_TRUE(has(swept.out, "simplecil " + values)) << swept.out;
    }
}

}  // namespace
}  // namespace patina
