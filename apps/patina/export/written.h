// Shared by the commands that write a model for other programs.
#pragma once

#include <string>

#include "apps/patina/command.h"
#include "patina/session/exporting.h"

namespace patina::cli {

/// --dtype and --limit.
void add_written(const Command& command, ExportOptions& options);
void print_written(const std::string& folder, const Exported& done);

}  // namespace patina::cli
