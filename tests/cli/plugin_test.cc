// Learners of shared libraries: they run like patina's own, and what is wrong with a library is
// told.
#include "patina/base/json.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

std::string plugin(const std::string& name) {
  return std::string(PATINA_PLUGINS) + "/" + name + ".so";
}

TEST(Plugin, learners_run_are_listed_and_learn_on) {
  const auto folder = scratch_folder("cli-plugin");
  write_images(folder / "images", 4, 6, 3);
  write_text(folder / "mine.toml", std::string(kRecipe) + "\n");
  const std::vector<std::string> chosen = {"--plugin", plugin("nearest_mean"), "--set",
                                           "learner.name=nearest_mean"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), chosen.begin(), chosen.end());
    return call(folder, words);
  };
  const Result run = with({"run", "mine.toml", "--out", "run"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json record = parse_json(read_text(folder / "run/record.json"), "record");
  EXPECT_EQ(record["learner"]["name"], "nearest_mean");
  EXPECT_GT(record["metrics"]["last_accuracy"].get<double>(), 0.9);
  EXPECT_EQ(with({"run", "mine.toml", "--out", "other", "--set", "learner.sharpness=2"}).code, 0);
  EXPECT_TRUE(has(with({"run", "mine.toml", "--set", "learner.sharpnes=2"}).err,
                  "did you mean \"sharpness\""));
  // Processes of their own get it, too.
  const Result swept = with({"sweep", "mine.toml", "--jobs", "2", "--seeds", "1", "2"});
  EXPECT_EQ(swept.code, 0) << swept.err;

  const std::vector<std::string> loaded = {"--plugin", plugin("nearest_mean")};
  const auto loading = [&](std::vector<std::string> words) {
    words.insert(words.begin(), loaded.begin(), loaded.end());
    return call(folder, words);
  };
  EXPECT_TRUE(has(loading({"list", "learners"}).out, "nearest_mean"));
  EXPECT_TRUE(has(loading({"explain", "nearest_mean"}).out, "sharpness = 1.0"));
  const std::string image = (folder / "images/test/class1/0.png").string();
  const Result predicted = loading({"predict", "run", image});
  EXPECT_TRUE(has(predicted.out, "class1")) << predicted.out << predicted.err;
  const Result without = call(folder, {"predict", "run", image});
  EXPECT_EQ(without.code, 2);
  EXPECT_TRUE(has(without.err, "nearest_mean")) << without.err;
}

TEST(Plugin, what_is_wrong_with_a_library_is_told) {
  const auto folder = scratch_folder("cli-plugin-refused");
  write_text(folder / "text.so", "no library");
  const auto said = [&](const std::string& file) {
    const Result result = call(folder, {"--plugin", file, "list", "learners"});
    EXPECT_EQ(result.code, 2) << result.out;
    return result.err;
  };
  EXPECT_TRUE(has(said("absent.so"), "--plugin absent.so: there is no such file"));
  EXPECT_TRUE(has(said("text.so"), "it cannot be loaded: "));
  EXPECT_TRUE(has(said(plugin("stranger")), "it is no plug-in of patina: it has no function"));
  const std::string older = said(plugin("older"));
  EXPECT_TRUE(has(older,
                  "it was built for another patina (patina 0.0.1, LibTorch 1.0), and this "
                  "one is patina "))
      << older;
  const std::string undefined = said(plugin("undefined"));
  EXPECT_TRUE(has(undefined, "no_such_function") && has(undefined, "it was built for another one"))
      << undefined;
  EXPECT_TRUE(has(said(plugin("taken")), "a learner is called simplecil already"));
}

}  // namespace
}  // namespace patina
