// Reading run records: every field that the report touches is checked here, once.
#include "patina/report/record.h"

#include <algorithm>
#include <map>
#include <set>

namespace patina {
namespace {

constexpr uint64_t kLargestFile = uint64_t{64} << 20;
constexpr size_t kMostTasks = 1000;
constexpr double kLargestCount = 9007199254740992;  // 2^53: exact in a double, as JSON readers use
constexpr double kLongest = 1e10;                   // seconds, some 300 years

/// What a value must be, as messages say it.
enum class Kind { text, integer, count, duration, number_or_null, fraction_or_null, object, list };

std::string_view words(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a string";
    case Kind::integer:
      return "a whole number";
    case Kind::count:
      return "a whole number from 0 to 2^53";
    case Kind::duration:
      return "a number of seconds from 0 to 1e10";
    case Kind::number_or_null:
      return "a number or null";
    case Kind::fraction_or_null:
      return "a fraction from 0 to 1, or null";
    case Kind::object:
      return "an object";
    case Kind::list:
      return "a list";
  }
  return "";
}

bool between(const Json& value, double low, double high) {
  return value.is_number() && value.get<double>() >= low && value.get<double>() <= high;
}

bool is(const Json& value, Kind kind) {
  switch (kind) {
    case Kind::text:
      return value.is_string();
    case Kind::integer:
      return value.is_number_integer();
    case Kind::count:
      return value.is_number_integer() && between(value, 0, kLargestCount);
    case Kind::duration:
      return between(value, 0, kLongest);
    case Kind::number_or_null:
      return value.is_number() || value.is_null();
    case Kind::fraction_or_null:
      return between(value, 0, 1) || value.is_null();
    case Kind::object:
      return value.is_object();
    case Kind::list:
      return value.is_array();
  }
  return false;
}

struct Field {
  const char* path;
  Kind kind;
};

constexpr Field kFields[] = {
    {"name", Kind::text},
    {"status", Kind::text},
    {"learner.name", Kind::text},
    {"learner.family", Kind::text},
    {"learner.paper", Kind::text},
    {"model.name", Kind::text},
    {"model.hash", Kind::text},
    {"model.image_size", Kind::count},
    {"data.name", Kind::text},
    {"data.train_samples", Kind::count},
    {"data.test_samples", Kind::count},
    {"data.skipped", Kind::count},
    {"scenario.name", Kind::text},
    {"recipe", Kind::text},
    {"versions.patina", Kind::text},
    {"versions.libtorch", Kind::text},
    {"versions.compiler", Kind::text},
    {"machine.cpu", Kind::text},
    {"machine.cores", Kind::count},
    {"machine.threads", Kind::count},
    {"machine.memory_bytes", Kind::count},
    {"machine.device", Kind::text},
    {"seeds.seed", Kind::integer},
    {"seeds.class_order_seed", Kind::integer},
    {"seconds.total", Kind::duration},
    {"seconds.load", Kind::duration},
    {"seconds.train", Kind::duration},
    {"seconds.evaluate", Kind::duration},
    {"seconds.checkpoint", Kind::duration},
    {"peak_memory_bytes", Kind::count},
    {"parameters.total", Kind::count},
    {"parameters.trainable", Kind::count},
    {"parameters.stored", Kind::count},
};

/// Walks one record and fails with the path of what is wrong.
class RecordCheck {
 public:
  RecordCheck(const Json& record, std::string_view origin) : record_(record), origin_(origin) {}

  void run() const {
    if (!record_.is_object()) fail(ErrorKind::format, "{}: not a run record", origin_);
    check_schema();
    for (const auto& field : kFields) require(at(field.path), field.path, field.kind);
    check_status();
    require_each(at("scenario.granted"), "scenario.granted", Kind::text);
    require_each(at("class_order"), "class_order", Kind::count);
    require_each(at("class_names"), "class_names", Kind::text);
    require_size(at("class_names"), "class_names", at("class_order").size(), "as class_order");
    require_values(at("metrics"), "metrics", Kind::number_or_null);
    require_values(at("metric_formulas"), "metric_formulas", Kind::text);
    check_tasks();
  }

 private:
  [[noreturn]] void wrong(std::string_view path, std::string_view what) const {
    fail(ErrorKind::format, "{}: {}: {} (docs/reference/record.md describes a record)", origin_,
         path, what);
  }

  const Json& at(std::string_view path) const {
    const Json* value = &record_;
    for (size_t start = 0; start <= path.size();) {
      const size_t end = std::min(path.find('.', start), path.size());
      const std::string key(path.substr(start, end - start));
      if (!value->is_object()) wrong(path.substr(0, start - 1), "must be an object");
      const auto found = value->find(key);
      if (found == value->end()) wrong(path.substr(0, end), "missing");
      value = &*found;
      start = end + 1;
    }
    return *value;
  }

  void require(const Json& value, std::string_view path, Kind kind) const {
    if (is(value, kind)) return;
    const std::string found = value.is_number() ? value.dump() : value.type_name();
    wrong(path, fmt::format("must be {}, is {}", words(kind), found));
  }

  void require_each(const Json& list, const std::string& path, Kind kind) const {
    require(list, path, Kind::list);
    for (size_t i = 0; i < list.size(); ++i) require(list[i], fmt::format("{}[{}]", path, i), kind);
  }

  void require_values(const Json& object, std::string_view path, Kind kind) const {
    require(object, path, Kind::object);
    for (const auto& [key, value] : object.items())
      require(value, fmt::format("{}.{}", path, key), kind);
  }

  void require_size(const Json& list, std::string_view path, size_t size,
                    std::string_view why) const {
    if (list.size() != size)
      wrong(path, fmt::format("must have {} entries {}, has {}", size, why, list.size()));
  }

  void check_schema() const {
    const Json& schema = at("schema");
    require(schema, "schema", Kind::count);
    if (schema.get<double>() != kRecordSchema)
      fail(ErrorKind::format,
           "{}: schema: this record has schema {}, this version of patina reads {}; report on it "
           "with the version that wrote it",
           origin_, schema.get<uint64_t>(), kRecordSchema);
  }

  void check_status() const {
    const auto& status = at("status").get_ref<const std::string&>();
    if (status != "complete" && status != "interrupted")
      wrong("status", "must be \"complete\" or \"interrupted\"");
  }

  void check_tasks() const {
    const Json& tasks = at("tasks");
    require(tasks, "tasks", Kind::list);
    if (tasks.empty() || tasks.size() > kMostTasks)
      wrong("tasks", fmt::format("must have 1 to {} entries, has {}", kMostTasks, tasks.size()));
    for (size_t i = 0; i < tasks.size(); ++i) {
      const std::string path = fmt::format("tasks[{}]", i);
      require_each(member(tasks[i], path, "classes"), path + ".classes", Kind::text);
      for (const char* key : {"train_samples", "test_samples"})
        require(member(tasks[i], path, key), path + "." + key, Kind::count);
    }
    const size_t count = tasks.size();

    check_matrix("matrix", count);
    if (!at("top5_matrix").is_null()) check_matrix("top5_matrix", count);
    require_each(at("accuracy_after_task"), "accuracy_after_task", Kind::fraction_or_null);
    require_size(at("accuracy_after_task"), "accuracy_after_task", count, "(one a task)");

    const Json& per_task = at("seconds.per_task");
    require_each(per_task, "seconds.per_task", Kind::object);
    require_at_most(per_task, "seconds.per_task", count);
    for (size_t i = 0; i < per_task.size(); ++i) {
      const std::string path = fmt::format("seconds.per_task[{}]", i);
      for (const char* key : {"train", "evaluate"})
        require(member(per_task[i], path, key), path + "." + key, Kind::duration);
    }
    const Json& stored = at("parameters.stored_bytes_after_task");
    require_each(stored, "parameters.stored_bytes_after_task", Kind::count);
    require_at_most(stored, "parameters.stored_bytes_after_task", count);
    check_anytime();
  }

  // Of streams that come once only.
  void check_anytime() const {
    if (!record_.contains("anytime")) return;
    const Json& points = record_["anytime"];
    require(points, "anytime", Kind::list);
    for (size_t i = 0; i < points.size(); ++i) {
      const std::string path = fmt::format("anytime[{}]", i);
      require(member(points[i], path, "samples"), path + ".samples", Kind::count);
      require(member(points[i], path, "accuracy"), path + ".accuracy", Kind::fraction_or_null);
    }
  }

  const Json& member(const Json& object, const std::string& path, const char* key) const {
    require(object, path, Kind::object);
    const auto found = object.find(key);
    if (found == object.end()) wrong(path + "." + key, "missing");
    return *found;
  }

  void require_at_most(const Json& list, std::string_view path, size_t count) const {
    if (list.size() > count)
      wrong(path, fmt::format("has {} entries for {} tasks", list.size(), count));
  }

  void check_matrix(const std::string& name, size_t count) const {
    const Json& matrix = at(name);
    require(matrix, name, Kind::list);
    require_size(matrix, name, count + 1, "(one before learning and one a task)");
    for (size_t i = 0; i <= count; ++i) {
      if (matrix[i].is_null()) continue;  // a row that was not measured
      const std::string path = fmt::format("{}[{}]", name, i);
      require_each(matrix[i], path, Kind::fraction_or_null);
      require_size(matrix[i], path, count, "(one a task)");
    }
  }

  const Json& record_;
  std::string_view origin_;
};

fs::path without_trailing_slash(const fs::path& path) {
  const fs::path clean = fs::absolute(path).lexically_normal();
  return clean.has_filename() ? clean : clean.parent_path();
}

}  // namespace

void check_record(const Json& record, std::string_view origin) {
  RecordCheck(record, origin).run();
}

RunRecord read_record(const fs::path& folder) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(folder, ignored);
  const fs::path file = is_folder ? folder / "record.json" : folder;
  if (is_folder && !fs::exists(file, ignored))
    fail(ErrorKind::file, "{}: no record.json in this folder; give the folder of a run",
         folder.string());
  RunRecord run;
  run.json = parse_json(read_text(file, kLargestFile), file.string());
  check_record(run.json, file.string());
  run.folder =
      without_trailing_slash(is_folder ? folder : fs::absolute(folder, ignored).parent_path());
  run.label = run.json["learner"]["name"].get<std::string>();
  return run;
}

std::vector<RunRecord> read_records(const std::vector<fs::path>& folders) {
  std::vector<RunRecord> runs;
  std::map<std::string, int> learners;
  for (const auto& folder : folders) {
    runs.push_back(read_record(folder));
    ++learners[runs.back().label];
  }
  std::set<std::string> taken;
  for (auto& run : runs) {
    const std::string learner = run.label;
    if (learners[learner] > 1) run.label = learner + " " + run.folder.filename().string();
    if (taken.count(run.label)) run.label = learner + " " + run.folder.string();
    const std::string label = run.label;
    for (int copy = 2; !taken.insert(run.label).second; ++copy)
      run.label = fmt::format("{} ({})", label, copy);
  }
  return runs;
}

int task_count(const RunRecord& run) {
  return static_cast<int>(run.json["tasks"].size());
}

int tasks_learned(const RunRecord& run) {
  const AccuracyMatrix matrix = accuracy_matrix(run);
  for (int row = matrix.tasks(); row > 0; --row)
    for (int task = 0; task < matrix.tasks(); ++task)
      if (matrix.at(row, task)) return row;
  return 0;
}

bool interrupted(const RunRecord& run) {
  return run.json["status"] == "interrupted";
}

Score score_of(const Json& value) {
  return value.is_null() ? std::nullopt : Score(value.get<double>());
}

Score metric_of(const RunRecord& run, const char* name) {
  const Json& metrics = run.json["metrics"];
  const auto found = metrics.find(name);
  return found == metrics.end() ? std::nullopt : score_of(*found);
}

AccuracyMatrix accuracy_matrix(const RunRecord& run) {
  AccuracyMatrix matrix(task_count(run));
  for (const auto& task : run.json["tasks"])
    matrix.samples.push_back(task["test_samples"].get<int64_t>());
  for (int row = 0; row <= matrix.tasks(); ++row) {
    const Json& scores = run.json["matrix"][row];
    if (scores.is_null()) continue;
    for (int task = 0; task < matrix.tasks(); ++task) matrix.set(row, task, score_of(scores[task]));
  }
  return matrix;
}

}  // namespace patina
