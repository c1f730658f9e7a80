#include "patina/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "patina/base/error.h"

namespace patina {

namespace {

std::string reason() {
  return std::strerror(errno);
}

// A descriptor open for reading, and the size of its regular file.
struct Opened {
  int descriptor = -1;
  uint64_t size = 0;

  explicit Opened(const fs::path& path) {
    // O_NONBLOCK: opening a pipe without a writer would block forever.
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) fail(ErrorKind::file, "{}: cannot open: {}", path.string(), reason());
    struct stat info {};
    if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(descriptor);
      fail(ErrorKind::file, "{}: not a regular file", path.string());
    }
    size = uint64_t(info.st_size);
  }
  ~Opened() { ::close(descriptor); }
};

}  // namespace

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Bytes read_file(const fs::path& path, uint64_t limit) {
  Opened file(path);
  if (file.size > limit)
    fail(ErrorKind::file, "{}: {} bytes, more than the limit of {}", path.string(), file.size,
         limit);
  Bytes bytes(file.size);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.descriptor, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::file, "{}: cannot read: {}", path.string(), reason());
    if (got == 0) fail(ErrorKind::file, "{}: shrank while it was read", path.string());
    done += size_t(got);
  }
  return bytes;
}

std::string read_text(const fs::path& path, uint64_t limit) {
  const Bytes bytes = read_file(path, limit);
  return {bytes.begin(), bytes.end()};
}

Bytes read_maybe_gzip(const fs::path& path, uint64_t limit) {
  Bytes packed = read_file(path, limit);
  if (packed.size() < 2 || packed[0] != 0x1f || packed[1] != 0x8b) return packed;

  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) fail(ErrorKind::file, "cannot start inflating");
  Finally end([&] { inflateEnd(&stream); });
  Bytes out;
  size_t fed = 0;
  int status = Z_OK;
  while (true) {
    if (stream.avail_in == 0 && fed < packed.size()) {
      const size_t piece = std::min<size_t>(packed.size() - fed, size_t{1} << 30);
      stream.next_in = packed.data() + fed;
      stream.avail_in = uInt(piece);
      fed += piece;
    }
    const size_t before = out.size();
    out.resize(before + std::clamp<size_t>(packed.size() * 4, size_t{1} << 16, size_t{1} << 26));
    stream.next_out = out.data() + before;
    stream.avail_out = uInt(out.size() - before);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > limit)
      fail(ErrorKind::format, "{}: inflates to more than {} bytes", path.string(), limit);
    if (status == Z_STREAM_END) {
      const auto rest = std::span(packed).subspan(fed - stream.avail_in);
      // Zeros after the last member pad the file to a block of a tape or disk. gzip ignores them.
      if (std::ranges::all_of(rest, [](uint8_t byte) { return byte == 0; })) break;
      if (inflateReset(&stream) != Z_OK) break;  // another member: gzip files may be concatenated
      continue;
    }
    if (status == Z_BUF_ERROR ||
        (status == Z_OK && stream.avail_in == 0 && fed == packed.size() && out.size() == before))
      fail(ErrorKind::format, "{}: truncated gzip file", path.string());
    if (status != Z_OK)
      fail(ErrorKind::format, "{}: damaged gzip file ({})", path.string(),
           stream.msg ? stream.msg : "bad data");
  }
  return out;
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  Opened file(path);
  size_ = file.size;
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
  if (address == MAP_FAILED) fail(ErrorKind::file, "{}: cannot map: {}", path.string(), reason());
  data_ = static_cast<const uint8_t*>(address);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}

namespace {

// Resolves links. The target need not exist.
fs::path followed(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux
  for (int links = 0; fs::is_symlink(fs::symlink_status(path)); ++links) {
    if (links == kMostLinks)
      fail(ErrorKind::file, "{}: a link that leads to itself", path.string());
    const fs::path to = fs::read_symlink(path);
    path = to.is_absolute() ? to : path.parent_path() / to;
  }
  return path;
}

}  // namespace

// Writes directly to a device or a pipe: renaming a file to its name would replace it.
AtomicFile::AtomicFile(fs::path path) : path_(followed(std::move(path))) {
  const auto status = fs::status(path_);
  if (fs::is_directory(status)) fail(ErrorKind::file, "{}: it is a folder", path_.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) fail(ErrorKind::file, "{}: cannot open: {}", path_.string(), reason());
    ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) & ~O_NONBLOCK);
    return;
  }
  temporary_ = path_;
  temporary_ += fmt::format(".{}.tmp", ::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(ErrorKind::file, "{}: cannot create: {}", path_.string(), reason());
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t put = ::write(descriptor_, from, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(ErrorKind::file, "{}: cannot write: {}", path_.string(), reason());
    from += put;
    bytes -= size_t(put);
  }
}

void AtomicFile::commit() {
  if (temporary_.empty()) {
    ::close(descriptor_);
    descriptor_ = -1;
    return;
  }
  if (::fsync(descriptor_) != 0)
    fail(ErrorKind::file, "{}: cannot write to disk: {}", path_.string(), reason());
  ::close(descriptor_);
  descriptor_ = -1;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(temporary_.c_str());
    fail(ErrorKind::file, "{}: cannot rename into place: {}", path_.string(), why);
  }
  // The rename is durable only after the folder is synced.
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle >= 0) {
    ::fsync(handle);
    ::close(handle);
  }
}

constexpr const char* kFolderLock = ".lock";

// The kernel releases the lock when its holder ends, for whatever reason.
FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / kFolderLock;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(ErrorKind::file, "{}: cannot create: {}", path.string(), reason());
  // Who only looks whether the folder is in use (held) has the lock for an instant.
  constexpr int kTries = 5;
  bool locked = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  for (int tries = 1; !locked && errno == EWOULDBLOCK && tries < kTries; ++tries) {
    ::usleep(10'000);
    locked = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  }
  if (locked) {
    const std::string process = fmt::format("{}\n", ::getpid());
    if (::ftruncate(descriptor_, 0) == 0) [[maybe_unused]]
      const ssize_t put = ::pwrite(descriptor_, process.data(), process.size(), 0);
    return;
  }
  const bool held = errno == EWOULDBLOCK;
  const std::string why = reason();
  char text[32] = {};
  const bool known = ::pread(descriptor_, text, sizeof text - 1, 0) > 0;
  ::close(descriptor_);
  if (!held) fail(ErrorKind::file, "{}: cannot lock: {}", path.string(), why);
  fail(ErrorKind::state,
       "{}: another patina is running here{}: wait for it, or choose another folder",
       folder.string(), known ? fmt::format(" (process {})", std::atol(text)) : "");
}

FolderLock::~FolderLock() {
  ::close(descriptor_);
}

bool FolderLock::held(const fs::path& folder) {
  const int descriptor = ::open((folder / kFolderLock).c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return held;
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path))
    fail(ErrorKind::file, "{}: cannot create the folder: {}", path.string(),
         error ? error.message() : "a file is in the way");
}

namespace {
uint64_t rotate(uint64_t x, int by) {
  return (x << by) | (x >> (64 - by));
}
// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014): each input bit affects each output bit.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
}  // namespace

void ContentHash::block(uint64_t word) {
  a_ = rotate(a_ ^ mix(word), 27) * 0x9e3779b97f4a7c15u + b_;
  b_ = rotate(b_ + word * 0xc2b2ae3d27d4eb4fu, 31) ^ a_;
}

void ContentHash::add(const void* data, size_t bytes) {
  auto* from = static_cast<const uint8_t*>(data);
  length_ += bytes;
  block(bytes);  // the hash of two adds differs from that of their concatenation
  uint64_t word;
  for (; bytes >= 8; from += 8, bytes -= 8) {
    std::memcpy(&word, from, 8);
    block(word);
  }
  if (bytes > 0) {
    word = 0;
    std::memcpy(&word, from, bytes);
    block(word);
  }
}

std::array<uint64_t, 2> ContentHash::words() const {
  return {mix(a_ ^ mix(length_)), mix(b_ + mix(a_))};
}

std::string ContentHash::hex() const {
  const auto [first, second] = words();
  return fmt::format("{:016x}{:016x}", first, second);
}

}  // namespace patina
