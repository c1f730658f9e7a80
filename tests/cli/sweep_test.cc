// Sweeps as a person meets them: several recipes, what is complete is kept, what failed is named.
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
  const std::vector<std::string> both = {"sweep",   "one.toml", "two.toml", "--out",
                                         "results", "--seeds",  "1",        "2"};
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

}  // namespace
}  // namespace patina
