// What is learned and computed apart, and brought together on the command line.
#include <map>

#include "patina/base/json.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {

TEST(Merge, artefacts_become_one) {
  const auto folder = scratch_folder("cli-merge");
  write_images(folder / "images", 2, 4, 2);
  const auto learn = [&](const std::string& file, const std::string& name) {
    return call(folder, {"learn", file, name, "images/train/" + name}).code;
  };
  ASSERT_EQ(learn("all.patina", "class0"), 0);
  ASSERT_EQ(learn("all.patina", "class1"), 0);
  ASSERT_EQ(learn("a.patina", "class0"), 0);
  ASSERT_EQ(learn("b.patina", "class1"), 0);
  const Result merged = call(folder, {"merge", "a.patina", "b.patina", "-o", "both.patina"});
  EXPECT_EQ(merged.code, 0) << merged.err;
  EXPECT_TRUE(has(merged.out, "both.patina: 2 classes in 2 tasks, of 2 artefacts")) << merged.out;
  const auto predicted = [&](const std::string& file) {
    return call(folder, {"predict", file, "images/test", "--json", "--top", "2"}).out;
  };
  EXPECT_EQ(predicted("both.patina"), predicted("all.patina"));

  const auto refused = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "merge");
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 2) << result.out;
    return result.err;
  };
  EXPECT_TRUE(has(refused({"a.patina", "b.patina", "-o", "both.patina"}), "both.patina exists"));
  EXPECT_TRUE(has(refused({"a.patina", "a.patina", "-o", "c.patina"}), "count twice"));
  EXPECT_TRUE(has(refused({"a.patina", "images", "-o", "c.patina"}), "images: not an artefact"));
  EXPECT_TRUE(
      has(refused({"a.patina", "b.patina", "-o", "c.patina", "--dtype", "bf16"}), "--dtype"));
  EXPECT_TRUE(has(refused({"starter", "-o", "c"}), "name artefacts to merge"));
  EXPECT_FALSE(fs::exists(folder / "c.patina"));
}

namespace {

// What a run over a store predicted, and how many samples passed the network.
struct OverStore {
  std::string predictions;
  int64_t encoded = -1;
};

OverStore run_over(const fs::path& folder, const std::string& name, std::vector<std::string> more) {
  std::vector<std::string> words = {"run", "r.toml", "--out", name};
  words.insert(words.end(), more.begin(), more.end());
  const Result result = call(folder, words);
  EXPECT_EQ(result.code, 0) << result.err;
  const Json record = Json::parse(read_text(folder / name / "record.json"));
  const Json& cache = record["engine"]["cache"];
  return {read_text(folder / name / "predictions.safetensors"),
          cache.is_object() ? cache["encoded"].get<int64_t>() : -1};
}

}  // namespace

TEST(Shards, of_features_give_a_run_its_features) {
  const auto folder = scratch_folder("cli-shards");
  write_images(folder / "images", 2, 7, 3);
  write_text(folder / "r.toml", kRecipe);
  const OverStore plain = run_over(folder, "plain", {"--no-cache"});
  for (const int count : {1, 3, 4}) {
    const std::string name = std::to_string(count);
    std::vector<std::string> merge = {"merge"};
    int64_t samples = 0;
    for (int i = 1; i <= count; ++i) {
      const std::string shard = std::to_string(i) + "/" + name,
                        store = "shards" + name + "/" + std::to_string(i);
      const Result done = call(folder, {"features", "r.toml", "--shard", shard, "-o", store});
      ASSERT_EQ(done.code, 0) << done.err;
      const size_t at = done.out.find(", ");
      samples += std::stoll(done.out.substr(at + 2));
      EXPECT_TRUE(has(done.out, "of 20")) << done.out;
      EXPECT_FALSE(has(done.out, ", 0 of them computed now")) << done.out;
      // Once more: everything is known.
      EXPECT_TRUE(has(call(folder, {"features", "r.toml", "--shard", shard, "-o", store}).out,
                      ", 0 of them computed now"));
      merge.push_back(store);
    }
    EXPECT_EQ(samples, 20) << "each sample is in one shard";
    merge.insert(merge.end(), {"-o", "store" + name});
    const Result merged = call(folder, merge);
    ASSERT_EQ(merged.code, 0) << merged.err;
    EXPECT_TRUE(has(merged.out, "20 samples")) << merged.out;
    EXPECT_TRUE(has(call(folder, merge).out, ", 0 of them new"));
    const OverStore over =
        run_over(folder, "run" + name, {"--set", "engine.cache_folder=store" + name});
    EXPECT_EQ(over.encoded, 0);
    EXPECT_EQ(over.predictions, plain.predictions);
  }
}

TEST(Shards, are_refused_with_the_reason) {
  const auto folder = scratch_folder("cli-shards-refused");
  write_images(folder / "images", 2, 2, 1);
  write_text(folder / "r.toml", kRecipe);
  const auto refused = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "features");
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 2) << result.out;
    return result.err;
  };
  for (const std::string shard : {"0/3", "4/3", "1", "1/", "/3", "a/b", "1/3x", "-1/3"})
    EXPECT_TRUE(has(refused({"r.toml", "--shard", shard, "-o", "s"}), "must be one of 1/n to n/n"))
        << shard;
  EXPECT_TRUE(has(refused({"r.toml", "--shard", "1/9", "-o", "s"}), "9 shards of 4 samples"));
  EXPECT_TRUE(has(refused({"r.toml", "images", "-o", "s"}), "leave out \"images\""));
  EXPECT_TRUE(has(refused({"starter", "images/train", "--shard", "1/2", "-o", "s"}), "--shard"));
  EXPECT_TRUE(has(refused({"starter", "-o", "s.safetensors"}), "there are no inputs"));
  EXPECT_FALSE(fs::exists(folder / "s"));
}

}  // namespace patina
