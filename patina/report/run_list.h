// The runs below a folder, whatever their state: for `patina list runs` and the board.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "patina/record/run_progress.h"
#include "patina/report/record.h"

namespace patina {

enum class RunState { running, finished, cut_short, unreadable };
/// "running", "finished", "cut short", "unreadable".
const char* name_of(RunState state);

/// A run as its folder shows it at this moment.
struct ListedRun {
  fs::path folder;
  std::string id;  // the folder below that of the list, with '/': "sweep/er/seed_1"
  RunState state = RunState::cut_short;
  std::string fault;                                // of an unreadable one: what is wrong
  std::string recipe, learner, data_set, scenario;  // names
  bool of_texts = false;           // its scores are in the units of the tasks' metrics
  int64_t tasks = 0, learned = 0;  // tasks 0: not known yet
  std::vector<Score> curve;        // after each task learned
  Score last, average, forgetting;
  double seconds = 0;                   // so far
  std::optional<double> left;           // of a running one, in seconds
  std::optional<RunProgress> progress;  // of a running one
  fs::file_time_type changed = {};      // its record, or its recipe
};

/// The folders of runs below `folder`, itself among them, by name. Links are not followed, and
/// folders deeper than a sweep of tunings are not looked into.
std::vector<fs::path> run_folders(const fs::path& folder);

/// The name of a run in a list of those below `root`.
std::string run_id(const fs::path& folder, const fs::path& root);
/// `record`: that of the folder, where it was read already.
ListedRun listed_run(const fs::path& folder, const fs::path& root,
                     const RunRecord* record = nullptr);
/// Throws Error(file) if there is no such folder.
std::vector<ListedRun> list_runs(const fs::path& root);

/// A table for a terminal; ends in a newline.
std::string run_list_text(const std::vector<ListedRun>& runs);
Json to_json(const ListedRun& run);

}  // namespace patina
