// Zip archives whose entries are stored, not compressed: what torch.save writes. Read in place, so
// that an entry is never longer than the file.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace patina {

/// The directory of one archive, with 64-bit offsets where the file has them.
class ZipArchive {
 public:
  static constexpr uint64_t kMostEntries = 1'000'000, kLongestName = 4096;

  /// Checks the directory before any entry is handed out. Throws Error(format) that names the file
  /// and what is wrong: no directory, several disks, an entry that lies outside the file, overlaps
  /// another or is encrypted, a name that is there twice, is not ASCII or is longer than
  /// kLongestName, more entries than kMostEntries.
  static ZipArchive parse(std::span<const uint8_t> bytes, const std::string& origin);

  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  /// The bytes of an entry. Throws Error(format) if there is none of that name, or if it is
  /// compressed: torch.save compresses nothing, and what is compressed may grow without bound.
  std::span<const uint8_t> at(const std::string& name) const;

  struct Entry {
    std::span<const uint8_t> bytes;
    bool compressed = false;
  };
  const std::map<std::string, Entry>& entries() const { return entries_; }

  static bool begins(std::span<const uint8_t> bytes);  // whether they begin as an archive

 private:
  std::string origin_;
  std::map<std::string, Entry> entries_;
};

}  // namespace patina
