// This program once more, as a process beside this one.
#pragma once

#include <string>
#include <vector>

#include "patina/base/file.h"

namespace patina::cli {

/// Runs this program with `words` as its command line and waits; what it prints goes to the file
/// `log`. A signal that asks this process to stop is handed on. Throws Error: stopped where it was
/// asked to, and state where it fails, with the message that it ended with.
void run_child(const std::vector<std::string>& words, const fs::path& log);

}  // namespace patina::cli
