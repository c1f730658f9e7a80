// Runs in every state, as their folders show them.
#include "patina/report/run_list.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fake_record.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

class RunList : public testing::Test {
 protected:
  fs::path write(const std::string& folder, const Json& record) {
    make_folder(scratch_ / folder);
    write_text(scratch_ / folder / "record.json", record.dump());
    return scratch_ / folder;
  }
  // A record after `learned` of its tasks.
  static Json interrupted_after(int learned) {
    Json record = fake_record("ranpac");
    record["status"] = "interrupted";
    for (size_t after = size_t(learned) + 1; after < record["matrix"].size(); ++after)
      record["matrix"][after] = nullptr;
    for (size_t after = size_t(learned); after < 5; ++after)
      record["accuracy_after_task"][after] = nullptr;
    for (auto& value : record["metrics"]) value = nullptr;
    Json& times = record["seconds"]["per_task"];
    times.erase(times.begin() + learned, times.end());
    return record;
  }
  ListedRun only() {
    const auto runs = list_runs(scratch_);
    EXPECT_EQ(runs.size(), 1u);
    return runs.at(0);
  }
  fs::path scratch_ = scratch_folder("run-list");
};

TEST_F(RunList, AFinishedRunHasItsMetrics) {
  write("sweep/one/seed_1", fake_record("ranpac"));
  const ListedRun run = only();
  EXPECT_EQ(run.id, "sweep/one/seed_1");
  EXPECT_EQ(run.state, RunState::finished);
  EXPECT_EQ(run.recipe, "cifar100-ranpac");
  EXPECT_EQ(run.tasks, 5);
  EXPECT_EQ(run.learned, 5);
  EXPECT_EQ(run.last, metric_of(fake_run("ranpac"), "last_accuracy"));
  EXPECT_FALSE(run.left);
}

TEST_F(RunList, ARunThatNobodyContinuesIsCutShort) {
  write("a", interrupted_after(2));
  write_progress(scratch_ / "a", {.tasks = 5, .learned = 2, .part = "task 3: training"});
  const ListedRun run = only();
  EXPECT_EQ(run.state, RunState::cut_short);
  EXPECT_EQ(run.learned, 2);
  ASSERT_EQ(run.curve.size(), 2u);
  EXPECT_EQ(run.last, run.curve[1]);
  EXPECT_NEAR(*run.average, (*run.curve[0] + *run.curve[1]) / 2, 1e-12);
  EXPECT_FALSE(run.progress) << "what a killed run said last is not how it is";
  EXPECT_EQ(to_json(run)["state"], "cut short");
}

TEST_F(RunList, ARunningOneTellsItsPartAndTheTimeLeft) {
  Json record = interrupted_after(2);
  record["seconds"]["total"] = 100;
  record["seconds"]["per_task"] = {{{"train", 30}, {"evaluate", 10}},
                                   {{"train", 50}, {"evaluate", 10}}};
  const FolderLock lock(write("a", record));
  write_progress(scratch_ / "a", {.tasks = 5,
                                  .learned = 2,
                                  .part = "task 3: training",
                                  .unit = "images",
                                  .note = "loss 0.3",
                                  .done = 400,
                                  .total = 1000,
                                  .earlier = 100,
                                  .part_seconds = 15,
                                  .run_seconds = 120});
  const ListedRun run = only();
  EXPECT_EQ(run.state, RunState::running);
  ASSERT_TRUE(run.progress);
  EXPECT_DOUBLE_EQ(run.progress->rate(), 20);
  EXPECT_DOUBLE_EQ(run.seconds, 120);
  ASSERT_TRUE(run.left);
  EXPECT_DOUBLE_EQ(*run.left, 3 * 50 - 20) << "three tasks of 50 s, of which 20 s have passed";
  const Json json = to_json(run);
  EXPECT_EQ(json["part"]["name"], "task 3: training");
  EXPECT_EQ(json["part"]["rate"], 20);
  const std::string text = run_list_text({run});
  EXPECT_NE(text.find("running    2/5"), std::string::npos) << text;
}

TEST_F(RunList, ARunWithoutARecordIsReadFromItsRecipe) {
  make_folder(scratch_ / "a");
  write_text(scratch_ / "a/recipe.toml",
             "name = \"mine\"\n[data]\nname = \"mnist\"\n[learner]\nname = \"er\"\n");
  const FolderLock lock(scratch_ / "a");
  write_progress(scratch_ / "a", {.tasks = 5, .part = "task 1"});
  const ListedRun run = only();
  EXPECT_EQ(run.state, RunState::running);
  EXPECT_EQ(run.recipe, "mine");
  EXPECT_EQ(run.learner, "er");
  EXPECT_EQ(run.data_set, "mnist");
  EXPECT_EQ(run.tasks, 5);
  EXPECT_FALSE(run.left);
}

TEST_F(RunList, DamagedFilesAreTold) {
  write("bad", Json::object());
  write("deep", fake_record("finetune"));
  write_text(scratch_ / "bad/record.json", "{\"schema\": 1, \x1b[31m");
  const FolderLock lock(scratch_ / "deep");
  write_text(scratch_ / "deep/progress.json", "[{");
  auto runs = list_runs(scratch_);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].state, RunState::unreadable);
  EXPECT_NE(runs[0].fault.find("bad/record.json"), std::string::npos);
  EXPECT_EQ(runs[1].state, RunState::running);
  EXPECT_EQ(run_list_text(runs).find('\x1b'), std::string::npos);
  write_text(scratch_ / "deep/progress.json",
             "{\"tasks\": -3, \"done\": \"x\", \"part_seconds\": 1e999, \"part\": 3}");
  runs = list_runs(scratch_);
  EXPECT_EQ(runs[1].tasks, 5);
  EXPECT_EQ(error_of(ErrorKind::file, [&] { list_runs(scratch_ / "none"); }),
            (scratch_ / "none").string() +
                ": there is no such folder; give one that holds runs, such as runs/");
}

TEST_F(RunList, LinksAreNotFollowedAndRunsHaveNoRunsInside) {
  write("a", fake_record("ranpac"));
  write("a/inside", fake_record("ranpac"));
  fs::create_directory_symlink(scratch_, scratch_ / "loop");
  EXPECT_EQ(only().id, "a");
}

TEST_F(RunList, LookingDoesNotStopARunFromBeginning) {
  write("a", fake_record("ranpac"));
  { const FolderLock before(scratch_ / "a"); }
  std::atomic<bool> done = false;
  std::thread looking([&] {
    while (!done) {
      FolderLock::held(scratch_ / "a");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_NO_THROW(FolderLock(scratch_ / "a"));
  done = true;
  looking.join();
}

}  // namespace
}  // namespace patina
