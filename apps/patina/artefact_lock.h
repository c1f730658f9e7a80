// The lock of an artefact while a command writes it.
#pragma once

#include <string>

#include "patina/base/file_lock.h"

namespace patina::cli {

/// Keeps others from writing an artefact between its reading and its saving. `said` is what they
/// are told, with this process's number behind it.
FileLock lock_artefact(const fs::path& file, const std::string& said);

}  // namespace patina::cli
