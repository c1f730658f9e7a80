// Which file the name of an artefact means: one rule for every command and every language.
#pragma once

#include <system_error>

#include "patina/base/error.h"
#include "patina/base/file.h"

namespace patina {

/// What a run calls the artefact in its folder.
constexpr const char* kRunArtefact = "model.patina";

/// The file to read, write and lock where an artefact is named: of a folder the artefact that a run
/// left in it, else the name as it is. Throws Error(file) for a folder without one.
inline fs::path artefact_file(const fs::path& given) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) return given;
  fs::path file = given / kRunArtefact;
  if (!fs::is_regular_file(file, ignored))
    fail(ErrorKind::file,
         "{}: a folder without {}: a run leaves one when it is finished; name its folder, or a "
         "file, such as pets.patina",
         given.string(), kRunArtefact);
  return file;
}

}  // namespace patina
