#include "patina/report/run_list.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/recipe_keys.h"
#include "patina/report/seeds.h"
#include "patina/report/table.h"

namespace patina {

namespace {

constexpr int kDeepest = 6;
constexpr size_t kMostRuns = 10000;
constexpr uint64_t kLongestRecipe = 1 << 20;

bool is_run(const fs::path& folder) {
  return is_file(folder / "record.json") || is_file(folder / "recipe.toml");
}

void add_run_folders(const fs::path& folder, int depth, std::vector<fs::path>& runs) {
  if (runs.size() >= kMostRuns) return;
  if (is_run(folder)) {
    runs.push_back(folder);
    return;
  }
  std::vector<fs::path> inside;
  std::error_code ignored;
  for (auto at = fs::directory_iterator(folder, ignored); at != fs::directory_iterator();
       at.increment(ignored)) {
    if (at->is_symlink(ignored) || !at->is_directory(ignored)) continue;
    if (!at->path().filename().string().starts_with('.')) inside.push_back(at->path());
  }
  std::ranges::sort(inside);
  if (depth > 0)
    for (const auto& path : inside) add_run_folders(path, depth - 1, runs);
}

void add_record(ListedRun& run, const RunRecord& read) {
  const Record& record = read.record;
  run.recipe = record.name;
  run.learner = record.learner.name;
  run.data_set = record.data.name;
  run.scenario = record.scenario.name;
  run.of_texts = record.is_of_texts();
  run.tasks = task_count(read);
  run.learned = tasks_learned(read);
  run.curve = curve_of(read);
  run.curve.resize(size_t(run.learned));
  run.seconds = record.seconds.total;
  if (record.complete()) {
    run.last = metric_of(read, "last_accuracy");
    run.average = metric_of(read, "average_incremental_accuracy");
    run.forgetting = metric_of(read, "forgetting");
  } else {
    if (!run.curve.empty()) run.last = run.curve.back();
    if (const auto all = spread(run.curve)) run.average = all->mean;
  }
}

// A run that has no record yet, since its first task is not learned.
void add_recipe(ListedRun& run) {
  const std::string recipe = read_text(run.folder / "recipe.toml", kLongestRecipe);
  run.recipe = recipe_value(recipe, "name");
  run.learner = recipe_value(recipe, "learner.name");
  run.data_set = recipe_value(recipe, "data.name");
  run.scenario = recipe_value(recipe, "scenario.name");
  if (run.recipe.empty()) run.recipe = run.learner;
}

// The tasks to come take as long as those learned took on average; before one is learned, only
// the time of the current part is known.
void add_progress(ListedRun& run, const RunRecord* read) {
  run.progress = read_progress(run.folder);
  if (!run.progress) return;
  const RunProgress& progress = *run.progress;
  run.tasks = std::max(run.tasks, progress.tasks);
  run.learned = std::max(run.learned, std::min(progress.learned, run.tasks));
  const double before = run.seconds;
  run.seconds = std::max(run.seconds, progress.run_seconds);
  double learned = 0;
  size_t tasks = 0;
  if (read)
    for (const auto& task : read->record.seconds.per_task) {
      learned += task.train + task.evaluate;
      ++tasks;
    }
  const double each = tasks > 0 ? learned / double(tasks) : 0;
  const double of_part = progress.total > progress.done && progress.rate() > 0
                             ? double(progress.total - progress.done) / progress.rate()
                             : 0;
  if (each > 0)
    run.left = std::max(of_part, each * double(run.tasks - run.learned) - (run.seconds - before));
  else if (run.tasks == 1 && of_part > 0)
    run.left = of_part;
}

std::string score_text(const ListedRun& run, Score score) {
  return run.of_texts || !score ? number(score) : percent(score) + "%";
}

Json json_of(const Score& score) {
  return score ? Json(*score) : Json(nullptr);
}

}  // namespace

const char* name_of(RunState state) {
  switch (state) {
    case RunState::running:
      return "running";
    case RunState::finished:
      return "finished";
    case RunState::cut_short:
      return "cut short";
    case RunState::unreadable:
      break;
  }
  return "unreadable";
}

std::vector<fs::path> run_folders(const fs::path& folder) {
  std::vector<fs::path> runs;
  add_run_folders(folder, kDeepest, runs);
  return runs;
}

std::string run_id(const fs::path& folder, const fs::path& root) {
  const std::string id = folder.lexically_relative(root).generic_string();
  return id.empty() || id == "." ? folder.filename().string() : id;
}

ListedRun listed_run(const fs::path& folder, const fs::path& root, const RunRecord* record) {
  ListedRun run;
  run.folder = folder;
  run.id = run_id(folder, root);
  std::error_code ignored;
  const bool running = FolderLock::held(folder);
  std::optional<RunRecord> read;
  try {
    const bool has_record = is_file(folder / "record.json");
    run.changed =
        fs::last_write_time(folder / (has_record ? "record.json" : "recipe.toml"), ignored);
    if (!record && has_record) record = &read.emplace(read_record(folder));
    if (record)
      add_record(run, *record);
    else
      add_recipe(run);
    const bool complete = record && record->record.complete();
    run.state = running ? RunState::running : complete ? RunState::finished : RunState::cut_short;
    if (running) add_progress(run, record);
  } catch (const std::exception& error) {
    run.state = RunState::unreadable;
    run.fault = error.what();
  }
  return run;
}

std::vector<ListedRun> list_runs(const fs::path& root) {
  std::error_code ignored;
  if (!fs::is_directory(root, ignored))
    fail(ErrorKind::file, "{}: there is no such folder; give one that holds runs, such as runs/",
         root.string());
  std::vector<ListedRun> runs;
  for (const auto& folder : run_folders(root)) runs.push_back(listed_run(folder, root));
  return runs;
}

std::string run_list_text(const std::vector<ListedRun>& runs) {
  std::vector<std::vector<std::string>> rows = {
      {"run", "recipe", "learner", "state", "tasks", "last", "average", "time", "left"}};
  std::string faults;
  for (const auto& run : runs) {
    rows.push_back({printable(run.id), printable(run.recipe), printable(run.learner),
                    name_of(run.state),
                    run.tasks > 0 ? fmt::format("{}/{}", run.learned, run.tasks) : "-",
                    score_text(run, run.last), score_text(run, run.average),
                    run.seconds > 0 ? format_seconds(run.seconds) : "-",
                    run.left ? format_seconds(*run.left) : ""});
    if (!run.fault.empty()) faults += "note: " + printable(run.fault) + "\n";
  }
  return table(rows) + faults;
}

Json to_json(const ListedRun& run) {
  Json json = {{"id", run.id},
               {"record", (run.folder / "record.json").string()},
               {"state", name_of(run.state)},
               {"recipe", run.recipe},
               {"learner", run.learner},
               {"data", run.data_set},
               {"scenario", run.scenario},
               {"unit", run.of_texts ? "score" : "accuracy"},
               {"tasks", run.tasks},
               {"learned", run.learned},
               {"last", json_of(run.last)},
               {"average", json_of(run.average)},
               {"forgetting", json_of(run.forgetting)},
               {"curve", Json::array()},
               {"seconds", run.seconds}};
  for (const Score& score : run.curve) json["curve"].push_back(json_of(score));
  const auto age = std::chrono::duration<double>(fs::file_time_type::clock::now() - run.changed);
  json["changed_seconds_ago"] = std::max(0.0, std::round(age.count()));
  if (run.left) json["seconds_left"] = *run.left;
  if (!run.fault.empty()) json["fault"] = run.fault;
  if (run.progress) {
    const RunProgress& progress = *run.progress;
    json["part"] = {{"name", progress.part}, {"unit", progress.unit},   {"note", progress.note},
                    {"done", progress.done}, {"total", progress.total}, {"rate", progress.rate()}};
  }
  return json;
}

}  // namespace patina
