// Archives of tar: the files in one, for data sets that are published so.
#pragma once

#include <map>
#include <span>
#include <string>

#include "patina/base/file.h"

namespace patina {

/// The regular files of an archive in memory, of POSIX's or GNU's form, under their names. Nothing
/// is written to a disk. Thread-safe.
class TarArchive {
 public:
  /// Throws Error(format) for anything that is no whole archive, a name that is absolute or leaves
  /// the archive by "..", the same name twice, a link, and more than kMostFiles files.
  static TarArchive parse(Bytes bytes, const std::string& origin);
  /// A file, gunzipped if it is compressed, of at most kMostBytes.
  static TarArchive read(const fs::path& path);

  static constexpr size_t kMostFiles = size_t{1} << 20;
  static constexpr uint64_t kMostBytes = uint64_t{1} << 32;

  const std::map<std::string, std::span<const uint8_t>>& files() const { return files_; }
  const std::string& origin() const { return origin_; }

 private:
  std::string origin_;
  Bytes bytes_;
  std::map<std::string, std::span<const uint8_t>> files_;  // in bytes_
};

}  // namespace patina
