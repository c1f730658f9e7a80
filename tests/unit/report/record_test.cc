// Records that are read from folders: their labels, and the message for each thing that is not
// there.
#include "patina/report/record.h"

#include <gtest/gtest.h>

#include "fake_record.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

const std::string kSee = " (docs/reference/record.md describes a record)";

TEST(RunRecord, MatrixAndProgressAreReadBack) {
  RunRecord run = fake_run("finetune");
  const AccuracyMatrix matrix = accuracy_matrix(run);
  EXPECT_EQ(task_count(run), 5);
  EXPECT_EQ(tasks_learned(run), 5);
  EXPECT_FALSE(interrupted(run));
  EXPECT_FALSE(matrix.at(0, 4));
  EXPECT_EQ(matrix.at(1, 0), Score(.95));
  EXPECT_EQ(matrix.samples, std::vector<int64_t>(5, 2000));

  run.record.status = "interrupted";
  run.record.matrix[5].clear();
  run.record.matrix[4].assign(5, std::nullopt);
  EXPECT_EQ(tasks_learned(run), 3);
  EXPECT_TRUE(interrupted(run));
  EXPECT_FALSE(accuracy_matrix(run).at(5, 0));
}

class RecordFiles : public testing::Test {
 protected:
  fs::path write(const std::string& folder, const std::string& learner) {
    make_folder(scratch_ / folder);
    write_text(scratch_ / folder / "record.json", fake_record(learner).dump());
    return scratch_ / folder;
  }
  fs::path scratch_ = scratch_folder("record");
};

TEST_F(RecordFiles, AFolderOrItsFileGiveTheSameRun) {
  const fs::path folder = write("a", "ranpac");
  for (const fs::path& given : {folder, folder / "", folder / "record.json"}) {
    const RunRecord run = read_record(given);
    EXPECT_EQ(run.label, "ranpac");
    EXPECT_EQ(run.folder, folder);
    EXPECT_EQ(to_json(run.record), to_json(fake_run("ranpac").record));
  }
}

TEST_F(RecordFiles, LabelsAreUnique) {
  const auto runs = read_records({write("a", "ranpac"), write("b", "ranpac"),
                                  write("c", "finetune"), write("x/a", "ranpac"), scratch_ / "a"});
  std::vector<std::string> labels;
  for (const auto& run : runs) labels.push_back(run.label);
  EXPECT_EQ(labels, (std::vector<std::string>{"ranpac a", "ranpac b", "finetune",
                                              "ranpac " + (scratch_ / "x/a").string(),
                                              "ranpac " + (scratch_ / "a").string()}));
  const auto same = read_records({scratch_ / "a", scratch_ / "a", scratch_ / "a"});
  EXPECT_EQ(same[2].label, same[1].label + " (2)");
}

TEST_F(RecordFiles, TheFolderOfASweepStandsForItsRuns) {
  const fs::path one = write("sweep/one/seed_1", "ranpac"),
                 two = write("sweep/one/seed_2", "ranpac"), alone = write("sweep/two", "finetune");
  fs::create_directories(scratch_ / "sweep/failed");
  write("sweep/two/older", "finetune");  // belongs to a run, not to the sweep
  write_text(scratch_ / "sweep/summary.json", "[]");
  const auto runs = read_records({scratch_ / "sweep"});
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].folder, one);
  EXPECT_EQ(runs[1].folder, two);
  EXPECT_EQ(runs[2].folder, alone);
  EXPECT_EQ(runs[0].label, "ranpac seed_1");
  EXPECT_EQ(read_records({alone, scratch_ / "sweep/one"}).size(), 3u);
}

TEST_F(RecordFiles, ErrorsNameTheFile) {
  EXPECT_EQ(error_of(ErrorKind::file, [&] { read_record(scratch_); }),
            scratch_.string() +
                ": no record.json in this folder; give the folder of a run or of a sweep");
  EXPECT_NE(error_of(ErrorKind::file, [&] { read_record(scratch_ / "nowhere"); }).find("nowhere"),
            std::string::npos);
  const fs::path file = write("bad", "ranpac") / "record.json";
  write_text(file, "{\"schema\":1,");
  EXPECT_EQ(error_of(ErrorKind::format, [&] { read_record(file); })
                .find(file.string() + ": not valid JSON"),
            0u);
  write_text(file, "{\"schema\":1}");
  EXPECT_EQ(error_of(ErrorKind::format, [&] { read_record(file); }),
            file.string() + ": name: missing" + kSee);
}

}  // namespace
}  // namespace patina
