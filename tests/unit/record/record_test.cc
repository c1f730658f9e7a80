// The record: what is written and read, the message for each thing that is not a record, and the
// reference page.
#include "patina/record/record.h"

#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "tests/support/errors.h"
#include "tests/unit/report/fake_record.h"

namespace patina {
namespace {

// What parse_record says of a good record with `pointer` set to `value`.
std::string said_with(const std::string& pointer, const Json& value) {
  Json record = fake_record("ranpac");
  record[Json::json_pointer(pointer)] = value;
  return error_of(ErrorKind::format, [&] { parse_record(record, "r.json"); });
}

std::string said_without(const std::string& parent, const std::string& key) {
  Json record = fake_record("ranpac");
  record[Json::json_pointer(parent)].erase(key);
  return error_of(ErrorKind::format, [&] { parse_record(record, "r.json"); });
}

const std::string kSeeReference = " (docs/reference/record.md describes a record)";

TEST(Record, AcceptsWholeRecordsAndFieldsItDoesNotKnow) {
  for (const char* learner : {"finetune", "simplecil", "ranpac"})
    EXPECT_NO_THROW(parse_record(fake_record(learner), "r.json"));
  EXPECT_EQ(said_with("/weather", "fine"), "");
  EXPECT_EQ(said_with("/learner/mood", "fine"), "");
}

TEST(Record, AcceptsARunInProgress) {
  EXPECT_EQ(said_with("/matrix/5", nullptr), "");
  EXPECT_EQ(said_with("/matrix/4", {nullptr, nullptr, nullptr, nullptr, nullptr}), "");
  EXPECT_EQ(said_with("/top5_matrix", nullptr), "");
  EXPECT_EQ(said_with("/accuracy_after_task/4", nullptr), "");
  EXPECT_EQ(said_with("/seconds/per_task", Json::array()), "");
  EXPECT_EQ(said_with("/parameters/stored_bytes_after_task", Json::array()), "");
  EXPECT_EQ(said_with("/metrics/forgetting", nullptr), "");
}

TEST(Record, SaysWhatItWasEvaluatedOn) {
  Json json = fake_record("ranpac");
  EXPECT_FALSE(parse_record(json, "r.json").is_validation()) << "an older record";
  json["evaluated_on"] = "validation";
  json["chosen"] = {{"values", {"training.lr=0.1"}},
                    {"candidates", {"training.lr=0.1,1"}},
                    {"combinations", 2},
                    {"by", "last_accuracy"},
                    {"score", 0.5},
                    {"validation_percent", 10}};
  const Record record = parse_record(json, "r.json");
  EXPECT_TRUE(record.is_validation());
  ASSERT_TRUE(record.chosen);
  EXPECT_EQ(record.chosen->values, std::vector<std::string>{"training.lr=0.1"});
  EXPECT_EQ(to_json(record)["evaluated_on"], "validation");
  EXPECT_EQ(to_json(record)["chosen"], json["chosen"]);
  EXPECT_EQ(said_with("/evaluated_on", "train"),
            "r.json: evaluated_on: must be \"test\" or \"validation\"" + kSeeReference);
}

TEST(Record, EveryFieldIsRequired) {
  const Json record = fake_record("ranpac");
  for (const auto& [key, value] : record.items()) {
    EXPECT_EQ(said_without("", key).find("r.json: " + key), 0u) << key;
    EXPECT_NE(said_without("", key).find("missing"), std::string::npos) << key;
    if (!value.is_object() || key == "metrics" || key == "metric_formulas") continue;
    for (const auto& [inner, ignored] : value.items())
      EXPECT_EQ(said_without("/" + key, inner),
                "r.json: " + key + "." + inner + ": missing" + kSeeReference);
  }
  for (const char* key : {"classes", "train_samples", "test_samples"})
    EXPECT_EQ(said_without("/tasks/2", key),
              std::string("r.json: tasks[2].") + key + ": missing" + kSeeReference);
  EXPECT_EQ(said_without("/seconds/per_task/1", "train"),
            "r.json: seconds.per_task[1].train: missing" + kSeeReference);
}

TEST(Record, NamesTheFieldOfTheWrongType) {
  EXPECT_EQ(said_with("/learner/name", 3),
            "r.json: learner.name: must be a string, is 3" + kSeeReference);
  EXPECT_EQ(said_with("/learner", "ranpac"), "r.json: learner: must be an object" + kSeeReference);
  EXPECT_EQ(said_with("/data/skipped", -1),
            "r.json: data.skipped: must be a whole number from 0 to 2^53, is -1" + kSeeReference);
  EXPECT_EQ(
      said_with("/peak_memory_bytes", 1.5),
      "r.json: peak_memory_bytes: must be a whole number from 0 to 2^53, is 1.5" + kSeeReference);
  EXPECT_EQ(said_with("/machine/memory_bytes", 18446744073709551615u),
            "r.json: machine.memory_bytes: must be a whole number from 0 to 2^53, is "
            "18446744073709551615" +
                kSeeReference);
  EXPECT_EQ(said_with("/seconds/total", 1e300),
            "r.json: seconds.total: must be a number of seconds from 0 to 1e10, is 1e+300" +
                kSeeReference);
  EXPECT_EQ(said_with("/scenario/granted/0", nullptr),
            "r.json: scenario.granted[0]: must be a string, is null" + kSeeReference);
  EXPECT_EQ(said_with("/seeds/seed", "x"),
            "r.json: seeds.seed: must be a whole number, is string" + kSeeReference);
  EXPECT_EQ(said_with("/metrics/forgetting", "low"),
            "r.json: metrics.forgetting: must be a number or null, is string" + kSeeReference);
  EXPECT_EQ(
      said_with("/matrix/3/1", 1.01),
      "r.json: matrix[3][1]: must be a fraction from 0 to 1, or null, is 1.01" + kSeeReference);
  EXPECT_EQ(said_with("/tasks", 5), "r.json: tasks: must be a list, is 5" + kSeeReference);
  EXPECT_EQ(said_with("/tasks/0", 5), "r.json: tasks[0]: must be an object, is 5" + kSeeReference);
  EXPECT_EQ(said_with("/status", "running"),
            "r.json: status: must be \"complete\" or \"interrupted\"" + kSeeReference);
}

TEST(Record, NamesTheListOfTheWrongLength) {
  EXPECT_EQ(said_with("/matrix", Json::array()),
            "r.json: matrix: must have 6 entries (one before learning and one a task), has 0" +
                kSeeReference);
  EXPECT_EQ(said_with("/top5_matrix/2", {.1, .2}),
            "r.json: top5_matrix[2]: must have 5 entries (one a task), has 2" + kSeeReference);
  EXPECT_EQ(said_with("/accuracy_after_task", {.1}),
            "r.json: accuracy_after_task: must have 5 entries (one a task), has 1" + kSeeReference);
  EXPECT_EQ(said_with("/class_names", {"a"}),
            "r.json: class_names: must have 100 entries as class_order, has 1" + kSeeReference);
  EXPECT_EQ(
      said_with("/parameters/stored_bytes_after_task", {1, 2, 3, 4, 5, 6}),
      "r.json: parameters.stored_bytes_after_task: has 6 entries for 5 tasks" + kSeeReference);
  EXPECT_EQ(said_with("/tasks", Json::array()),
            "r.json: tasks: must have 1 to 1000 entries, has 0" + kSeeReference);
  EXPECT_NE(said_with("/tasks", Json(1001, Json::object())).find("has 1001"), std::string::npos);
}

TEST(Record, AnotherSchemaSaysWhichVersionReadsIt) {
  EXPECT_EQ(
      said_with("/schema", 3),
      "r.json: schema: this record has schema 3, this version of patina reads 1 to 2; report on it "
      "with the version that wrote it");
  EXPECT_NE(said_with("/schema", 0), "");
  EXPECT_EQ(error_of(ErrorKind::format, [] { parse_record(Json::array(), "r.json"); }),
            "r.json: not a run record");
}

TEST(Record, OptionalFieldsAreCheckedWhereTheyAre) {
  const std::string fraction = ": must be a fraction from 0 to 1, or null, is 2" + kSeeReference;
  EXPECT_EQ(said_with("/anytime", Json::array({{{"samples", 3}, {"classes", 1}, {"accuracy", 2}}})),
            "r.json: anytime[0].accuracy" + fraction);
  EXPECT_EQ(said_with("/engine", 3), "r.json: engine: must be an object" + kSeeReference);
  EXPECT_EQ(said_with("/engine", {{"kind", "plain"}, {"cache", nullptr}}), "");
  EXPECT_EQ(said_with("/engine", {{"cache", {{"hits", 1}}}}),
            "r.json: engine.cache.misses: missing" + kSeeReference);
  EXPECT_EQ(said_with("/diagnostics_after_task", Json(6, nullptr)),
            "r.json: diagnostics_after_task: has 6 entries for 5 tasks" + kSeeReference);
  EXPECT_EQ(said_with("/diagnostics_after_task", {{{"anything", "goes"}}}), "");
}

// Two tasks of one class each, every field there.
Record small_record() {
  Record record;
  record.name = "small";
  record.status = "complete";
  record.learner = {"ranpac", "representation", "McDonnell et al."};
  record.model = {"starter", "ViT 12x384", "3f1c", 32};
  record.data = {"toy", 24, 8, 1};
  record.scenario = {"class_incremental", {"boundaries"}};
  record.recipe = "seed = 1\n";
  record.versions = {"0.1.0", "1.13.0", "g++ 12"};
  record.machine = {"EPYC", 16, 2, 1024, "cpu"};
  record.seeds = {1, -1};
  record.class_order = {1, 0};
  record.class_names = {"cow", "dog"};
  record.tasks = {{{"cow"}, 12, 4}, {{"dog"}, 12, 4}};
  record.matrix = {{std::nullopt, std::nullopt}, {1.0, std::nullopt}, {0.5, 0.0}};
  record.accuracy_after_task = {1.0, 0.25};
  record.metrics = {{"last_accuracy", 0.25}, {"forgetting", std::nullopt}};
  record.metric_formulas = {{"last_accuracy", "R"}};
  record.anytime = {{.samples = 10, .classes = 2, .accuracy = 0.5}};
  record.seconds = {.total = 2.5,
                    .load = 1,
                    .train = 0.5,
                    .evaluate = 0.25,
                    .checkpoint = 0.125,
                    .per_task = {{0.5, 0.25}}};
  record.peak_memory_bytes = 7;
  record.parameters = {10, 3, 4, {8, 16}};
  record.diagnostics_after_task = {nullptr, {{"entropy", 0.5}}};
  record.engine = {.kind = "plain",
                   .flops = Record::Flops{{1, 2}, {3, 0}},
                   .cache = std::nullopt,
                   .images = Record::Images{4, 5, 6}};
  return record;
}

// The bytes that schema 2 stands for: keys, their order, and what is null or left out.
constexpr std::string_view kSmall =
    R"({"schema":2,"name":"small","status":"complete","evaluated_on":"test",)"
    R"("learner":{"name":"ranpac","family":"representation","paper":"McDonnell et al."},)"
    R"("model":{"name":"starter","about":"ViT 12x384","hash":"3f1c","image_size":32},)"
    R"("data":{"name":"toy","train_samples":24,"test_samples":8,"skipped":1},)"
    R"("scenario":{"name":"class_incremental","granted":["boundaries"]},"recipe":"seed = 1\n",)"
    R"("versions":{"patina":"0.1.0","libtorch":"1.13.0","compiler":"g++ 12"},)"
    R"("machine":{"cpu":"EPYC","cores":16,"threads":2,"memory_bytes":1024,"device":"cpu"},)"
    R"("seeds":{"seed":1,"class_order_seed":-1},"class_order":[1,0],"class_names":["cow","dog"],)"
    R"("tasks":[{"classes":["cow"],"train_samples":12,"test_samples":4},)"
    R"({"classes":["dog"],"train_samples":12,"test_samples":4}],)"
    R"("matrix":[[null,null],[1.0,null],[0.5,0.0]],"top5_matrix":null,)"
    R"("accuracy_after_task":[1.0,0.25],"metrics":{"last_accuracy":0.25,"forgetting":null},)"
    R"("metric_formulas":{"last_accuracy":"R"},)"
    R"("anytime":[{"samples":10,"classes":2,"accuracy":0.5}],)"
    R"("seconds":{"total":2.5,"load":1.0,"train":0.5,"evaluate":0.25,"checkpoint":0.125,)"
    R"("per_task":[{"train":0.5,"evaluate":0.25}]},"peak_memory_bytes":7,)"
    R"("parameters":{"total":10,"trainable":3,"stored":4,"stored_bytes_after_task":[8,16]},)"
    R"("diagnostics_after_task":[null,{"entropy":0.5}],)"
    R"("engine":{"kind":"plain","flops":{"train":{"forward":1,"backward":2},)"
    R"("evaluate":{"forward":3,"backward":0}},"cache":null,)"
    R"("images":{"decoded":4,"cached":5,"never_needed":6}}})";

TEST(Record, IsWrittenInTheOrderOfItsFieldsAndReadBack) {
  Record record = small_record();
  EXPECT_EQ(to_json(record).dump(), kSmall);
  EXPECT_EQ(to_json(parse_record(parse_json(kSmall, "small"), "small")).dump(), kSmall);
  record.anytime.clear();
  record.diagnostics_after_task = Json::array();
  record.engine.reset();
  const Json without = to_json(record);
  for (const char* key : {"anytime", "diagnostics_after_task", "engine"})
    EXPECT_FALSE(without.contains(key)) << key;
  EXPECT_EQ(without.size(), 23u);
}

// Schema 1 wrote 0 where nothing was measured.
Json record_of_schema_1(const std::string& scenario) {
  Record record = small_record();
  record.scenario.name = scenario;
  record.matrix = record.top5_matrix = {{0.0, 0.0}, {1.0, 0.25}, {0.5, 0.0}};
  record.metrics = {{"last_accuracy", 0.25},      {"forward_transfer", 0.25},
                    {"zero_shot_transfer", 0.25}, {"mtil_average", 0.5},
                    {"forgetting", 0.5},          {"ours", 0.5}};
  Json json = to_json(record);
  json["schema"] = 1;
  return json;
}

TEST(Record, ReadsSchema1WithoutTheZerosThatNobodyMeasured) {
  const Score none;
  for (const char* scenario : {"class_incremental", "task_incremental", "si_blurry"}) {
    const Record record = parse_record(record_of_schema_1(scenario), "old");
    EXPECT_EQ(record.schema, 2);
    EXPECT_EQ(record.matrix, (ScoreRows{{none, none}, {1.0, none}, {0.5, 0.0}})) << scenario;
    EXPECT_EQ(record.top5_matrix, record.matrix);
    EXPECT_EQ(record.metrics, (NamedScores{{"last_accuracy", 0.25},
                                           {"forward_transfer", none},
                                           {"zero_shot_transfer", none},
                                           {"mtil_average", none},
                                           {"forgetting", 0.5},
                                           {"ours", 0.5}}));
  }
}

TEST(Record, ReadsWhatSchema1MeasuredOfDomainsToCome) {
  const Score none;
  const Record record = parse_record(record_of_schema_1("domain_incremental"), "old");
  EXPECT_EQ(record.matrix, (ScoreRows{{none, none}, {1.0, 0.25}, {0.5, 0.0}}));
  EXPECT_EQ(record.metrics, (NamedScores{{"last_accuracy", 0.25},
                                         {"forward_transfer", none},
                                         {"zero_shot_transfer", 0.25},
                                         {"mtil_average", 0.5},
                                         {"forgetting", 0.5},
                                         {"ours", 0.5}}));
}

TEST(Record, ReadsARunOfSchema1InProgress) {
  Json json = record_of_schema_1("class_incremental");
  json["matrix"][2] = nullptr;
  json["top5_matrix"] = nullptr;
  const Record record = parse_record(json, "old");
  EXPECT_EQ(record.matrix, (ScoreRows{{Score(), Score()}, {1.0, Score()}, {}}));
  EXPECT_TRUE(record.top5_matrix.empty());
}

TEST(Record, ReferencePageIsUpToDate) {
  const auto page = fs::path(PATINA_SOURCE_DIR) / "docs/reference/record.md";
  if (std::getenv("PATINA_UPDATE")) write_text(page, record_markdown());
  EXPECT_EQ(read_text(page), record_markdown()) << "run with PATINA_UPDATE=1 to write it anew";
}

}  // namespace
}  // namespace patina
