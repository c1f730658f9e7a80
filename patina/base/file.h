// Files: whole reads with limits, memory maps, gzip, and atomic writes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace patina {

namespace fs = std::filesystem;

using Bytes = std::vector<uint8_t>;

/// Whether there is a file; a folder is none, nor is what cannot be looked at.
bool is_file(const fs::path& path);

/// The whole file. Throws Error(file) when it cannot be read or is larger than `limit` bytes.
Bytes read_file(const fs::path& path, uint64_t limit = uint64_t{1} << 33);
std::string read_text(const fs::path& path, uint64_t limit = uint64_t{1} << 28);

/// The whole file, decompressed if it starts with gzip's magic bytes. `limit` bounds the result's
/// bytes. Throws Error(format) on a damaged or truncated stream.
Bytes read_maybe_gzip(const fs::path& path, uint64_t limit = uint64_t{1} << 33);

/// A read-only map of a file; the bytes stay valid while the object lives.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// A file that appears under its name only when it is complete: it is written under a temporary
/// name in the same folder, synced and renamed by commit(). Without commit() the destructor deletes
/// it.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  fs::path path_, temporary_;
  int descriptor_ = -1;
};

/// Locks a folder for this process during its lifetime. The lock ends with the process, even if it
/// is killed. Throws Error(state), which names the other process, if the folder is already locked.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether a process holds the lock of a folder at this moment.
  static bool held(const fs::path& folder);

 private:
  int descriptor_ = -1;
};

void write_text(const fs::path& path, std::string_view text);
void make_folder(const fs::path& path);

/// A 128-bit content hash as 32 hexadecimal digits. Not cryptographic; used as a cache key and
/// to notice damage.
class ContentHash {
 public:
  void add(const void* data, size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  std::string hex() const;
  std::array<uint64_t, 2> words() const;

 private:
  void block(uint64_t word);
  uint64_t a_ = 0x9e3779b97f4a7c15u, b_ = 0xc2b2ae3d27d4eb4fu, length_ = 0;
};

/// Runs `free` when it goes out of scope: for handles of C libraries.
class Finally {
 public:
  explicit Finally(std::function<void()> free) : free_(std::move(free)) {}
  ~Finally() { free_(); }
  Finally(const Finally&) = delete;
  Finally& operator=(const Finally&) = delete;

 private:
  std::function<void()> free_;
};

}  // namespace patina
