#include "apps/patina/runs/planned_runs.h"

#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "apps/patina/commands.h"
#include "apps/patina/runs/child.h"
#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/learners/plugin.h"

namespace patina::cli {

namespace {

// The exit status of `child`; waits for its end.
int waited_for(pid_t child) {
  int status = 0;
  for (bool told = false; ::waitpid(child, &status, WNOHANG) == 0;) {
    if (stopped_by() != 0 && !told) {
      ::kill(child, stopped_by());
      told = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return status;
}

// Runs this program with the arguments `words` and waits; its output goes to the file `log`.
// Signals that ask this process to stop are passed on. Throws Error: `stopped` if it was asked to
// stop, and `state`, with its last message, if it failed.
void run_child(const std::vector<std::string>& words, const fs::path& log) {
  make_folder(log.parent_path());
  const int status = waited_for(start_child(words, {.log = log}));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (stopped_by() != 0)
    fail(ErrorKind::stopped, "stopped; the same command goes on, and {} says where it was",
         log.string());
  fail(ErrorKind::state, "{} (see {})", last_message(log), log.string());
}

void run_apart(const PlannedRun& planned, int threads, bool no_cache) {
  std::vector<std::string> words = {"run",
                                    planned.file.string(),
                                    "--out",
                                    planned.folder.string(),
                                    "--resume",
                                    "--threads",
                                    std::to_string(std::max(1, threads))};
  for (const auto& change : planned.overrides) words.insert(words.end(), {"--set", change});
  if (no_cache) words.push_back("--no-cache");
  for (const auto& plugin : loaded_plugins()) words.insert(words.end(), {"--plugin", plugin});
  run_child(words, fs::path(planned.folder.string() + ".log"));
}

}  // namespace

std::vector<SweptRun> run_planned(std::vector<PlannedRun> runs, int jobs, bool no_cache) {
  return sweep(std::move(runs), jobs, [&](PlannedRun& planned) {
    if (jobs > 1)
      run_apart(planned, tensor_threads() / jobs, no_cache);
    else
      run(planned.recipe, planned.folder,
          {.mode = RunMode::resume,
           .should_stop = [] { return stopped_by() != 0; },
           .cache = !no_cache});
  });
}

std::vector<fs::path> complete_folders(const std::vector<SweptRun>& swept) {
  std::vector<fs::path> folders;
  for (const auto& run : swept)
    if (run.failure.empty()) folders.push_back(run.folder);
  return folders;
}

void check_failures(const std::vector<SweptRun>& swept, const std::string& remedy) {
  std::string failures;
  for (const auto& run : swept)
    if (!run.failure.empty())
      failures += fmt::format("\n  {}: {}", run.folder.string(), run.failure);
  if (!failures.empty())
    fail(ErrorKind::state,
         "some runs failed; when the cause is removed, the same command goes on with them{}:{}",
         remedy, failures);
}

}  // namespace patina::cli
