// Files that a command makes and never replaces.
#pragma once

#include <string>

#include "patina/base/file.h"

namespace patina::cli {

/// Writes a file that does not exist yet; nothing that is there is touched. Throws Error(file).
void write_new(const fs::path& path, const std::string& text);

}  // namespace patina::cli
