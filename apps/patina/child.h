// Runs this program again in another process.
#pragma once

#include <string>
#include <vector>

#include "patina/base/file.h"

namespace patina::cli {

/// Runs this program with the arguments `words` and waits; its output goes to the file `log`.
/// Signals that ask this process to stop are passed on. Throws Error: `stopped` if it was asked to
/// stop, and `state`, with its last message, if it failed.
void run_child(const std::vector<std::string>& words, const fs::path& log);

}  // namespace patina::cli
