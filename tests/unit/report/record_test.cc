// Reading records: what is accepted, and the message for each thing that is not.
#include "patina/report/record.h"

#include <gtest/gtest.h>

#include <functional>

#include "fake_record.h"
#include "patina/base/json.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

std::string message_of(const std::function<void()>& body, ErrorKind kind) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

// What check_record says of a good record with `pointer` set to `value`.
std::string said_with(const std::string& pointer, const Json& value) {
  Json record = fake_record("ranpac");
  record[Json::json_pointer(pointer)] = value;
  return message_of([&] { check_record(record, "r.json"); }, ErrorKind::format);
}

std::string said_without(const std::string& parent, const std::string& key) {
  Json record = fake_record("ranpac");
  record[Json::json_pointer(parent)].erase(key);
  return message_of([&] { check_record(record, "r.json"); }, ErrorKind::format);
}

const std::string kSee = " (docs/reference/record.md describes a record)";

TEST(Record, AcceptsWholeRecordsAndFieldsItDoesNotKnow) {
  for (const char* learner : {"finetune", "simplecil", "ranpac"})
    EXPECT_NO_THROW(check_record(fake_record(learner), "r.json"));
  EXPECT_EQ(said_with("/weather", "fine"), "no error");
  EXPECT_EQ(said_with("/learner/mood", "fine"), "no error");
}

TEST(Record, AcceptsARunInProgress) {
  EXPECT_EQ(said_with("/matrix/5", nullptr), "no error");
  EXPECT_EQ(said_with("/matrix/4", {nullptr, nullptr, nullptr, nullptr, nullptr}), "no error");
  EXPECT_EQ(said_with("/top5_matrix", nullptr), "no error");
  EXPECT_EQ(said_with("/accuracy_after_task/4", nullptr), "no error");
  EXPECT_EQ(said_with("/seconds/per_task", Json::array()), "no error");
  EXPECT_EQ(said_with("/parameters/stored_bytes_after_task", Json::array()), "no error");
  EXPECT_EQ(said_with("/metrics/forgetting", nullptr), "no error");
}

TEST(Record, EveryFieldIsRequired) {
  const Json record = fake_record("ranpac");
  for (const auto& [key, value] : record.items()) {
    EXPECT_EQ(said_without("", key).find("r.json: " + key), 0u) << key;
    EXPECT_NE(said_without("", key).find("missing"), std::string::npos) << key;
    if (!value.is_object() || key == "metrics" || key == "metric_formulas") continue;
    for (const auto& [inner, ignored] : value.items())
      EXPECT_EQ(said_without("/" + key, inner),
                fmt::format("r.json: {}.{}: missing{}", key, inner, kSee));
  }
  for (const char* key : {"classes", "train_samples", "test_samples"})
    EXPECT_EQ(said_without("/tasks/2", key),
              std::string("r.json: tasks[2].") + key + ": missing" + kSee);
  EXPECT_EQ(said_without("/seconds/per_task/1", "train"),
            "r.json: seconds.per_task[1].train: missing" + kSee);
}

TEST(Record, NamesTheFieldOfTheWrongType) {
  EXPECT_EQ(said_with("/learner/name", 3), "r.json: learner.name: must be a string, is 3" + kSee);
  EXPECT_EQ(said_with("/learner", "ranpac"), "r.json: learner: must be an object" + kSee);
  EXPECT_EQ(said_with("/data/skipped", -1),
            "r.json: data.skipped: must be a whole number from 0 to 2^53, is -1" + kSee);
  EXPECT_EQ(said_with("/peak_memory_bytes", 1.5),
            "r.json: peak_memory_bytes: must be a whole number from 0 to 2^53, is 1.5" + kSee);
  EXPECT_EQ(said_with("/machine/memory_bytes", 18446744073709551615u),
            "r.json: machine.memory_bytes: must be a whole number from 0 to 2^53, is "
            "18446744073709551615" +
                kSee);
  EXPECT_EQ(said_with("/seconds/total", 1e300),
            "r.json: seconds.total: must be a number of seconds from 0 to 1e10, is 1e+300" + kSee);
  EXPECT_EQ(said_with("/scenario/granted/0", nullptr),
            "r.json: scenario.granted[0]: must be a string, is null" + kSee);
  EXPECT_EQ(said_with("/seeds/seed", "x"),
            "r.json: seeds.seed: must be a whole number, is string" + kSee);
  EXPECT_EQ(said_with("/metrics/forgetting", "low"),
            "r.json: metrics.forgetting: must be a number or null, is string" + kSee);
  EXPECT_EQ(said_with("/matrix/3/1", 1.01),
            "r.json: matrix[3][1]: must be a fraction from 0 to 1, or null, is 1.01" + kSee);
  EXPECT_EQ(said_with("/tasks", 5), "r.json: tasks: must be a list, is 5" + kSee);
  EXPECT_EQ(said_with("/tasks/0", 5), "r.json: tasks[0]: must be an object, is 5" + kSee);
  EXPECT_EQ(said_with("/status", "running"),
            "r.json: status: must be \"complete\" or \"interrupted\"" + kSee);
}

TEST(Record, NamesTheListOfTheWrongLength) {
  EXPECT_EQ(
      said_with("/matrix", Json::array()),
      "r.json: matrix: must have 6 entries (one before learning and one a task), has 0" + kSee);
  EXPECT_EQ(said_with("/top5_matrix/2", {.1, .2}),
            "r.json: top5_matrix[2]: must have 5 entries (one a task), has 2" + kSee);
  EXPECT_EQ(said_with("/accuracy_after_task", {.1}),
            "r.json: accuracy_after_task: must have 5 entries (one a task), has 1" + kSee);
  EXPECT_EQ(said_with("/class_names", {"a"}),
            "r.json: class_names: must have 100 entries as class_order, has 1" + kSee);
  EXPECT_EQ(said_with("/parameters/stored_bytes_after_task", {1, 2, 3, 4, 5, 6}),
            "r.json: parameters.stored_bytes_after_task: has 6 entries for 5 tasks" + kSee);
  EXPECT_EQ(said_with("/tasks", Json::array()),
            "r.json: tasks: must have 1 to 1000 entries, has 0" + kSee);
  EXPECT_NE(said_with("/tasks", Json(1001, Json::object())).find("has 1001"), std::string::npos);
}

TEST(Record, AnotherSchemaSaysWhichVersionReadsIt) {
  EXPECT_EQ(
      said_with("/schema", 2),
      "r.json: schema: this record has schema 2, this version of patina reads 1; report on it "
      "with the version that wrote it");
  EXPECT_EQ(message_of([] { check_record(Json::array(), "r.json"); }, ErrorKind::format),
            "r.json: not a run record");
}

TEST(Record, MatrixAndProgressAreReadBack) {
  RunRecord run = fake_run("finetune");
  const AccuracyMatrix matrix = accuracy_matrix(run);
  EXPECT_EQ(task_count(run), 5);
  EXPECT_EQ(tasks_learned(run), 5);
  EXPECT_FALSE(interrupted(run));
  EXPECT_EQ(matrix.at(0, 4), Score(0.0));
  EXPECT_EQ(matrix.at(1, 0), Score(.95));
  EXPECT_EQ(matrix.samples, std::vector<int64_t>(5, 2000));

  run.json["status"] = "interrupted";
  run.json["matrix"][5] = nullptr;
  run.json["matrix"][4] = Json(5, nullptr);
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
    EXPECT_EQ(run.json, fake_record("ranpac"));
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

TEST_F(RecordFiles, ErrorsNameTheFile) {
  EXPECT_EQ(message_of([&] { read_record(scratch_); }, ErrorKind::file),
            scratch_.string() + ": no record.json in this folder; give the folder of a run");
  EXPECT_NE(message_of([&] { read_record(scratch_ / "nowhere"); }, ErrorKind::file).find("nowhere"),
            std::string::npos);
  const fs::path file = write("bad", "ranpac") / "record.json";
  write_text(file, "{\"schema\":1,");
  EXPECT_EQ(message_of([&] { read_record(file); }, ErrorKind::format)
                .find(file.string() + ": not valid JSON"),
            0u);
  write_text(file, "{\"schema\":1}");
  EXPECT_EQ(message_of([&] { read_record(file); }, ErrorKind::format),
            file.string() + ": name: missing" + kSee);
}

}  // namespace
}  // namespace patina
