// What a run says of itself between two records: progress.json in its folder, while it runs. It is
// for others to look at; the run itself does not read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "patina/base/file.h"

namespace patina {

struct RunProgress {
  int64_t tasks = 0, learned = 0;  // of the stream; so far
  std::string part, unit, note;    // "task 2: training", "images", "loss 0.31"
  int64_t done = 0, total = 0;     // of the part, in `unit`; total 0: unknown
  int64_t earlier = 0;             // of `done`: by an earlier process
  double part_seconds = 0;         // since the part began
  double run_seconds = 0;          // of the run so far, in all its processes

  /// Units a second in this part; 0: not known yet.
  double rate() const;
};

/// Writes the file so that readers find either the old or the new one. It is not synced, and
/// a failure is silent: no run ends because somebody might have looked at it.
void write_progress(const fs::path& folder, const RunProgress& progress);
void remove_progress(const fs::path& folder);
/// Nothing if there is none, or no valid one.
std::optional<RunProgress> read_progress(const fs::path& folder);

}  // namespace patina
