// Resuming a run: what must be unchanged, what a complete run leaves alone, and that a record does
// not show how often its run was stopped.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/run/beginning.h"
#include "tests/support/errors.h"
#include "tests/support/heard.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_network.h"

namespace patina {
namespace {

constexpr int64_t kClasses = 6;

Recipe toy(const std::string& learner, const std::vector<std::string>& more = {}) {
  std::vector<std::string> settings = {"seed=7",
                                       "data.name=toy",
                                       "model.name=toy",
                                       "learner.name=" + learner,
                                       "scenario.classes_per_task=2",
                                       "training.epochs=1"};
  settings.insert(settings.end(), more.begin(), more.end());
  Recipe recipe;
  auto file = RecipeFile::parse("", "toy", settings);
  file.bind(recipe);
  return recipe;
}

Json run_toy(Recipe recipe, const DataSplits& data, const fs::path& where,
             const RunControl& control = {}) {
  return run(recipe, data, *toy_network(recipe.learner.name, kClasses), where, control);
}

/// Ends after the run's first task; true if it was stopped there.
bool stop_early(Recipe recipe, const DataSplits& data, const fs::path& where,
                RunMode mode = RunMode::fresh) {
  const auto should_stop = [&] { return fs::exists(where / "checkpoint.safetensors"); };
  return contains(error_of(ErrorKind::stopped,
                           [&] {
                             run_toy(std::move(recipe), data, where,
                                     {.mode = mode, .should_stop = should_stop});
                           }),
                  "continues with --resume");
}

std::map<std::string, std::pair<Bytes, fs::file_time_type>> contents(const fs::path& folder) {
  std::map<std::string, std::pair<Bytes, fs::file_time_type>> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files[entry.path().filename().string()] = {read_file(entry.path()), entry.last_write_time()};
  return files;
}

TEST(Resume, TheRecordSaysWhatALearnerKeepsAsIfItHadNotBeenStopped) {
  const fs::path scratch = scratch_folder("resume-stored");
  const DataSplits data = toy_data(kClasses, 6, 3);
  const auto kept = [](const Json& record) {
    return record["parameters"]["stored_bytes_after_task"].get<std::vector<int64_t>>();
  };
  const auto whole = kept(run_toy(toy("simplecil"), data, scratch / "whole"));
  ASSERT_EQ(whole.size(), 3u);
  EXPECT_LT(whole[0], whole[1]);
  EXPECT_LT(whole[1], whole[2]);
  const auto pieces = run_in_pieces(
      [&](const RunControl& control) {
        return run_toy(toy("simplecil"), data, scratch / "pieces", control);
      },
      1);
  EXPECT_EQ(pieces.stops, 2);
  EXPECT_EQ(kept(pieces.record), whole);
}

TEST(Resume, ACompleteRunIsLeftAsItIs) {
  const fs::path where = scratch_folder("resume-complete") / "run";
  const DataSplits data = toy_data(kClasses, 6, 3);
  const Json whole = run_toy(toy("simplecil"), data, where);
  const auto before = contents(where);
  ASSERT_TRUE(before.count("model.patina"));
  const Heard heard;
  const Json again = run_toy(toy("simplecil"), data, where, {.mode = RunMode::resume});
  EXPECT_EQ(heard.text(), where.string() + ": complete, nothing to do\n");
  EXPECT_EQ(again, whole);
  EXPECT_EQ(contents(where), before);
}

TEST(Resume, ARunWhoseArtefactIsMissingIsNotComplete) {
  const fs::path where = scratch_folder("resume-interrupted") / "run";
  const DataSplits data = toy_data(kClasses, 6, 3);
  const Json whole = run_toy(toy("simplecil"), data, where);
  // A run folder as it is when the run is killed between its last checkpoint and its end.
  Json record = whole;
  record["status"] = "interrupted";
  write_text(where / "record.json", record.dump());
  fs::remove(where / "model.patina");
  const Json again = run_toy(toy("simplecil"), data, where, {.mode = RunMode::resume});
  EXPECT_EQ(again["status"], "complete");
  EXPECT_TRUE(fs::exists(where / "model.patina"));
  EXPECT_EQ(again["parameters"], whole["parameters"]);
}

TEST(Resume, ADeletedRecipeLetsNoOtherGoOn) {
  const fs::path where = scratch_folder("resume-recipe") / "run";
  const DataSplits data = toy_data(kClasses, 6, 3);
  ASSERT_TRUE(stop_early(toy("simplecil"), data, where));
  fs::remove(where / "recipe.toml");
  const auto before = contents(where);
  EXPECT_TRUE(contains(error_of(ErrorKind::state,
                                [&] {
                                  run_toy(toy("simplecil", {"training.batch_size=5"}), data, where,
                                          {.mode = RunMode::resume});
                                }),
                       where.string() + " was begun with another recipe"));
  EXPECT_EQ(contents(where), before);
  EXPECT_EQ(run_toy(toy("simplecil"), data, where, {.mode = RunMode::resume})["status"],
            "complete");
}

TEST(Resume, AKeyThatIsNewHasItsDefaultInAnOlderRecipe) {
  const fs::path where = scratch_folder("resume-older") / "run";
  const DataSplits data = toy_data(kClasses, 6, 3);
  const auto recipe = [](const std::vector<std::string>& more = {}) {
    std::vector<std::string> settings = {"name=older", "data.name=mnist"};  // as a file has them
    settings.insert(settings.end(), more.begin(), more.end());
    return toy("simplecil", settings);
  };
  // As a version of patina without this key would write it.
  Recipe begun = recipe();
  std::string older = to_toml(begun);
  const auto at = older.find("image_cache_bytes");
  ASSERT_NE(at, std::string::npos);
  older.erase(at, older.find('\n', at) + 1 - at);
  fs::create_directories(where);
  write_text(where / "recipe.toml", older);
  ASSERT_TRUE(stop_early(recipe(), data, where, RunMode::resume));
  const auto changed = [&] {
    run_toy(recipe({"engine.image_cache_bytes=5"}), data, where, {.mode = RunMode::resume});
  };
  EXPECT_TRUE(contains(error_of(ErrorKind::state, changed),
                       where.string() + " was begun with another recipe"));
  const Json record = run_toy(recipe(), data, where, {.mode = RunMode::resume});
  EXPECT_EQ(record["status"], "complete");
  EXPECT_EQ(record["recipe"], older);
  EXPECT_EQ(read_text(where / "recipe.toml"), older);
  const Heard heard;
  run_toy(recipe(), data, where, {.mode = RunMode::resume});
  EXPECT_EQ(heard.text(), where.string() + ": complete, nothing to do\n");
}

/// A toy source whose samples can get other names, labels and classes.
class Renamed : public ToySource {
 public:
  using ToySource::ToySource;
  std::string origin(int64_t i) const override {
    return names.count(i) ? names.at(i) : "here/" + ToySource::origin(i);
  }
  int64_t label(int64_t i) const override {
    return labels.count(i) ? labels.at(i) : ToySource::label(i);
  }
  const std::vector<std::string>& classes() const override {
    return class_names.empty() ? ToySource::classes() : class_names;
  }
  uint64_t mark(int64_t i) const override {
    return marks.count(i) ? marks.at(i) : ToySource::mark(i);
  }
  std::map<int64_t, uint64_t> marks;
  std::map<int64_t, std::string> names;
  std::map<int64_t, int64_t> labels;
  std::vector<std::string> class_names;
};

/// Toy data with a training split that `change` has changed.
template <class Change>
DataSplits changed(const Change& change, int64_t per_class = 6) {
  auto train = std::make_unique<Renamed>(kClasses, per_class, 1);
  change(*train);
  return {"toy", std::move(train), std::make_unique<Renamed>(kClasses, 3, 2)};
}
constexpr auto kAsItWas = [](Renamed&) {};

TEST(Resume, OtherDataAreRefusedAndTheRunIsLeftAsItIs) {
  const fs::path where = scratch_folder("resume-data") / "run";
  ASSERT_TRUE(stop_early(toy("icarl"), changed(kAsItWas), where));
  const auto before = contents(where);
  EXPECT_EQ(
      error_of(
          ErrorKind::state,
          [&] { run_toy(toy("icarl"), changed(kAsItWas, 5), where, {.mode = RunMode::resume}); }),
      where.string() +
          ": the data have changed since the run began: the training data have 30 samples, "
          "the run began with 36; restore them, or start a new run with another --out");
  EXPECT_EQ(contents(where), before);
  EXPECT_EQ(run_toy(toy("icarl"), changed(kAsItWas), where, {.mode = RunMode::resume})["status"],
            "complete");
  // A complete run is reported as complete only with its own data.
  EXPECT_TRUE(contains(error_of(ErrorKind::state,
                                [&] {
                                  run_toy(toy("icarl"), changed(kAsItWas, 7), where,
                                          {.mode = RunMode::resume});
                                }),
                       "have 42 samples, the run began with 36"));
}

/// The error of resuming with `now` a run that began with `before`.
std::string said(const DataSplits& before, const DataSplits& now) {
  Archive saved;
  Beginning began("run", "seed = 1", before), goes_on("run", "seed = 1", now);
  saved("beginning", began);
  Archive loaded = std::move(saved).reopened();
  const std::string text = error_of(ErrorKind::state, [&] { loaded("beginning", goes_on); });
  const std::string head = "run: the data have changed since the run began: ";
  return text.empty() ? "" : text.substr(head.size(), text.find(';') - head.size());
}

TEST(Beginning, NamesTheFirstDifference) {
  const DataSplits before = changed(kAsItWas);
  EXPECT_EQ(said(before, changed(kAsItWas)), "");
  EXPECT_EQ(said(before, changed([](Renamed& train) {
                   auto& names = train.class_names = train.ToySource::classes();
                   names[3] = "cow";
                 })),
            "class 3 is \"cow\", and was \"toy 3\"");
  EXPECT_EQ(said(before, changed([](Renamed& train) {
                   train.class_names = train.ToySource::classes();
                   train.class_names.push_back("cow");
                 })),
            "they have 7 classes, the run began with 6");
  EXPECT_EQ(said(before, changed([](Renamed& train) { train.names[17] = "here/b.png"; })),
            "training sample 17 is b.png, and was toy[17]");
  EXPECT_EQ(said(before, changed([](Renamed& train) {
                   train.names[4] = "here/toy[5]";
                   train.names[5] = "here/toy[4]";
                 })),
            "training sample 4 is toy[5], and was toy[4]");
  EXPECT_EQ(said(before, changed([](Renamed& train) { train.labels[8] = 5; })),
            "training sample 8, toy[8], has label 5, and had 2");
  EXPECT_EQ(said(before, changed([](Renamed& train) { train.marks[8] = 1234; })),
            "training sample 8, toy[8], has different content");
  DataSplits fewer = changed(kAsItWas);
  fewer.test = std::make_unique<Renamed>(kClasses, 2, 2);
  EXPECT_EQ(said(before, fewer), "the test data have 12 samples, the run began with 18");
  EXPECT_EQ(said(toy_data(kClasses, 6, 3), {"toy", std::make_unique<ToyDomains>(kClasses, 6, 1),
                                            std::make_unique<ToySource>(kClasses, 3, 2)}),
            "training sample 6, toy[6], is of another domain");
}

TEST(Beginning, DataThatMovedAreTheSame) {
  EXPECT_EQ(said(changed([](Renamed& train) { train.names[0] = "/home/a/x.png"; }),
                 changed([](Renamed& train) { train.names[0] = "/mnt/b/c/x.png"; })),
            "");
}

TEST(Beginning, VeryManySamplesAreComparedWithoutTheirNames) {
  const std::string longest(size_t{1} << 20, 'x');
  EXPECT_EQ(said(changed([&](Renamed& train) { train.names[0] = longest + "a"; }),
                 changed([&](Renamed& train) { train.names[0] = longest + "b"; })),
            "a training sample's name or label differs");
}

TEST(RecipeName, StaysInItsFolder) {
  const auto said_of = [](const std::string& name) {
    Recipe recipe;
    auto file = RecipeFile::parse("name = \"" + name + "\"\n", "r.toml");
    return error_of(ErrorKind::recipe, [&] {
      file.bind(recipe);
      file.finish();
    });
  };
  EXPECT_EQ(said_of("er, 3 tasks"), "");
  EXPECT_EQ(said_of("a..b"), "");
  for (const char* name : {"../../x", "/tmp/x", "a/b", "a/"})
    EXPECT_EQ(said_of(name), "r.toml:1: name: names a folder, so it cannot have a slash in it")
        << name;
  for (const char* name : {"..", "."})
    EXPECT_EQ(said_of(name), "r.toml:1: name: names a folder, so it cannot be \".\" or \"..\"")
        << name;
  for (const char* name : {"a\\nb", "a\\u0000", "\\u007f"})
    EXPECT_EQ(said_of(name),
              "r.toml:1: name: names a folder, so it cannot have control characters in it")
        << name;
}

}  // namespace
}  // namespace patina
