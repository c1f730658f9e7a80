// A lock on a file that is replaced as a whole, such as an artefact.
#pragma once

#include <string_view>

#include "patina/base/file.h"

namespace patina {

/// Locks a file for this process during its lifetime, whether it exists or not. The lock is held on
/// a file beside it, ".NAME.lock", since a file that is replaced by renaming loses a lock of its
/// own. It ends with the process, even if that is killed.
class FileLock {
 public:
  /// `said` is what others are told while the lock is held; it follows the file's name. Throws
  /// Error(state) with what the holder said, if the file is locked.
  FileLock(const fs::path& path, std::string_view said);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  fs::path beside_;
  int descriptor_ = -1;
};

}  // namespace patina
