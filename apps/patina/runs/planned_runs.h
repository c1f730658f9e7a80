// The runs of a plan: one after another in this process, or several at a time, each in a process of
// its own.
#pragma once

#include <string>
#include <vector>

#include "patina/run/sweep.h"

namespace patina::cli {

/// Runs what is not complete yet, `jobs` at a time, and resumes what was interrupted; see sweep().
/// With several jobs each run has its part of the threads, and its output goes to `<folder>.log`.
std::vector<SweptRun> run_planned(std::vector<PlannedRun> runs, int jobs, bool no_cache);

/// The folders of those that did not fail.
std::vector<fs::path> complete_folders(const std::vector<SweptRun>& swept);
/// Throws Error(state) that names every run that failed, and `remedy` besides trying again.
void check_failures(const std::vector<SweptRun>& swept, const std::string& remedy = "");

}  // namespace patina::cli
