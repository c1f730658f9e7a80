// This program as a process of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "patina/base/file.h"

namespace patina::cli {

struct ChildOptions {
  fs::path log;  // where its output goes; empty: where this process's goes
  std::vector<std::string> variables = {};  // "NAME=value", besides those of this process
  bool own_group = false;                   // signals of the terminal reach this process alone
};

/// Starts this program with the arguments `words`. Throws Error(file).
pid_t start_child(const std::vector<std::string>& words, const ChildOptions& options);

/// The message in the last line of a program's output, which begins with the program's name.
std::string last_message(const fs::path& log);

}  // namespace patina::cli
