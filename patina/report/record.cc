// Reading the records of runs from their folders.
#include "patina/report/record.h"

#include <algorithm>
#include <map>
#include <set>

namespace patina {
namespace {

constexpr uint64_t kLargestFile = uint64_t{64} << 20;

fs::path without_trailing_slash(const fs::path& path) {
  const fs::path clean = fs::absolute(path).lexically_normal();
  return clean.has_filename() ? clean : clean.parent_path();
}

bool is_run(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "record.json", ignored);
}

// Adds the runs that lie up to `depth` folders below.
void add_runs_below(const fs::path& folder, int depth, std::vector<fs::path>& runs) {
  std::vector<fs::path> inside;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory(ignored)) inside.push_back(entry.path());
  std::ranges::sort(inside);
  for (const auto& path : inside)
    if (is_run(path))
      runs.push_back(path);
    else if (depth > 1)
      add_runs_below(path, depth - 1, runs);
}

// The runs that a path of the command line stands for.
std::vector<fs::path> runs_of(const fs::path& path) {
  constexpr int kDeepest = 3;  // runs/sweep/recipe/seed_1993
  std::vector<fs::path> runs;
  std::error_code ignored;
  if (fs::is_directory(path, ignored) && !is_run(path)) add_runs_below(path, kDeepest, runs);
  if (runs.empty()) runs.push_back(path);  // read_record says what is wrong with it
  return runs;
}

}  // namespace

RunRecord read_record(const fs::path& folder) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(folder, ignored);
  const fs::path file = is_folder ? folder / "record.json" : folder;
  if (is_folder && !fs::exists(file, ignored))
    fail(ErrorKind::file,
         "{}: no record.json in this folder; give the folder of a run or of a sweep",
         folder.string());
  RunRecord run;
  run.record =
      parse_record(parse_json(read_text(file, kLargestFile), file.string()), file.string());
  run.folder =
      without_trailing_slash(is_folder ? folder : fs::absolute(folder, ignored).parent_path());
  run.label = run.record.learner.name;
  return run;
}

std::vector<RunRecord> read_records(const std::vector<fs::path>& folders) {
  std::vector<RunRecord> runs;
  std::map<std::string, int> learners;
  for (const auto& given : folders)
    for (const auto& folder : runs_of(given)) {
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
  return static_cast<int>(run.record.tasks.size());
}

int tasks_learned(const RunRecord& run) {
  return tasks_learned(accuracy_matrix(run));
}

bool interrupted(const RunRecord& run) {
  return !run.record.complete();
}

Score metric_of(const RunRecord& run, const char* name) {
  const auto& metrics = run.record.metrics;
  const auto found = std::ranges::find(metrics, name, &NamedScores::value_type::first);
  return found == metrics.end() ? std::nullopt : found->second;
}

std::vector<Score> curve_of(const RunRecord& run) {
  const Record& record = run.record;
  if (!record.is_of_texts()) return record.accuracy_after_task;
  const ScoreMatrix matrix = accuracy_matrix(run);
  const bool one_metric = std::ranges::all_of(record.tasks, [&](const Record::Task& task) {
    return task.probe && task.probe->metric == record.tasks[0].probe->metric;
  });
  std::vector<Score> curve(record.tasks.size());
  for (int after = 1; one_metric && after <= matrix.tasks(); ++after) {
    double sum = 0;
    int scored = 0;
    for (int task = 0; task < after; ++task)
      if (const Score score = matrix.at(after, task)) sum += *score, ++scored;
    if (scored == after) curve[size_t(after - 1)] = sum / after;
  }
  return curve;
}

AccuracyMatrix accuracy_matrix(const RunRecord& run) {
  return accuracy_matrix(run.record);
}

}  // namespace patina
