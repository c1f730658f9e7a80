// The run record: everything shown in a run's tables and pages, and everything needed to reproduce
// its numbers. It is stored as record.json; docs/reference/record.md is generated from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/json.h"
#include "patina/record/fields.h"

namespace patina {

struct Record {
  /// The schema version that is written; those from 1 on are read.
  static constexpr int64_t kSchema = 2;
  static constexpr size_t kMostTasks = 1000;

  struct Learner {
    std::string name, family, paper;
    void bind(RecordFields& f);
  };
  struct Model {
    std::string name, about, hash;
    int64_t image_size = 0;
    void bind(RecordFields& f);
  };
  struct Data {
    std::string name;
    int64_t train_samples = 0, test_samples = 0, skipped = 0;
    void bind(RecordFields& f);
  };
  struct Scenario {
    std::string name;
    std::vector<std::string> granted;
    void bind(RecordFields& f);
  };
  struct Versions {
    std::string patina, libtorch, compiler;
    void bind(RecordFields& f);
  };
  struct Machine {
    std::string cpu;
    int64_t cores = 0, threads = 0, memory_bytes = 0;
    std::string device;
    void bind(RecordFields& f);
  };
  struct Workers {
    int64_t count = 0, sent_bytes = 0;
    void bind(RecordFields& f);
  };
  struct Seeds {
    int64_t seed = 0, class_order_seed = 0;
    void bind(RecordFields& f);
  };
  struct Probe {  // of a task of texts
    std::string data_set, metric, better;
    void bind(RecordFields& f);
  };
  struct Drift {
    Score from_base, from_before, general_loss, general_bits_per_byte;
    void bind(RecordFields& f);
  };
  struct Task {
    std::vector<std::string> classes;
    int64_t train_samples = 0, test_samples = 0;
    std::optional<Probe> probe;
    void bind(RecordFields& f);
  };
  struct Moment {  // a point of the anytime curve
    int64_t samples = 0, classes = 0;
    Score accuracy;
    void bind(RecordFields& f);
  };
  struct TaskSeconds {
    double train = 0, evaluate = 0;
    void bind(RecordFields& f);
  };
  struct Seconds {
    double total = 0, load = 0, train = 0, evaluate = 0, checkpoint = 0;
    std::vector<TaskSeconds> per_task;
    void bind(RecordFields& f, size_t tasks);
  };
  struct Parameters {
    int64_t total = 0, trainable = 0, stored = 0;
    std::vector<int64_t> stored_bytes_after_task;
    void bind(RecordFields& f, size_t tasks);
  };
  struct Passes {
    int64_t forward = 0, backward = 0;
    void bind(RecordFields& f);
  };
  struct Flops {
    Passes train, evaluate;
    void bind(RecordFields& f);
  };
  struct Cache {
    int64_t hits = 0, misses = 0, encoded = 0, saved_forward_passes = 0;
    void bind(RecordFields& f);
  };
  struct Images {
    int64_t decoded = 0, cached = 0, never_needed = 0;
    void bind(RecordFields& f);
  };
  struct Chosen {
    std::vector<std::string> values, candidates;
    int64_t combinations = 0;
    std::string by;
    Score score, validation_percent;
    void bind(RecordFields& f);
  };
  struct Engine {
    std::string kind;
    std::optional<Flops> flops;
    std::optional<Cache> cache;
    std::optional<Images> images;
    void bind(RecordFields& f);
  };

  int64_t schema = kSchema;
  std::string name;
  std::string status = "interrupted";
  std::string evaluated_on = "test";
  Learner learner;
  Model model;
  Data data;
  Scenario scenario;
  std::string recipe;
  std::optional<Chosen> chosen;
  Versions versions;
  Machine machine;
  std::optional<Workers> workers;  // of a run of several
  Seeds seeds;
  std::vector<int64_t> class_order;
  std::vector<std::string> class_names;
  std::vector<Task> tasks;
  ScoreRows matrix, top5_matrix;
  std::vector<Score> accuracy_after_task;
  NamedScores metrics;
  NamedTexts metric_formulas;
  std::vector<Moment> anytime;
  std::vector<Drift> drift;  // before learning and after each task
  Seconds seconds;
  int64_t peak_memory_bytes = 0;
  Parameters parameters;
  Json diagnostics_after_task = Json::array();  // of the learner
  std::optional<Engine> engine;

  bool complete() const { return status == "complete"; }
  /// Whether the scores are those of probes, in their own units; otherwise they are accuracies.
  bool is_of_texts() const { return !tasks.empty() && tasks.front().probe.has_value(); }
  bool is_validation() const { return evaluated_on == "validation"; }

  void bind(RecordFields& f);
};

/// The content of record.json.
Json to_json(Record record);

/// The matrix with its test sample counts and its directions.
ScoreMatrix accuracy_matrix(const Record& record);
/// The last row with a score: so many tasks are learned.
int tasks_learned(const ScoreMatrix& matrix);
/// How deep the colour of an entry is where the matrix is drawn, 0 to 1: an accuracy as it is, a
/// probe's score between the worst and the best of its column.
double shade(const Record& record, const ScoreMatrix& matrix, int after, int task);

/// Throws Error(format) with `origin` and the field if `json` is not a run record. Unknown fields
/// are ignored. A record of an older schema becomes what it would be today.
Record parse_record(const Json& json, std::string_view origin);

/// The reference page, docs/reference/record.md.
std::string record_markdown();

}  // namespace patina
