// The subcommands of the first hour.
#pragma once

#include <string>

#include "apps/patina/command.h"

namespace patina::cli {

void add_init(Command& program);
void add_get(Command& program);
void add_import_pilot(Command& program);

/// Whether a list is the same on every machine, so that it can be answered without the engine.
bool is_fixed_list(const std::string& name);

}  // namespace patina::cli
