#include "patina/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr size_t kMostSaid = 512;

// Links are followed, so that every name of a file has the same lock.
fs::path lock_beside(const fs::path& path) {
  std::error_code error;
  fs::path file = fs::weakly_canonical(path, error);
  if (error) file = fs::absolute(path);
  return file.parent_path() / ("." + file.filename().string() + ".lock");
}

// Whether the name still leads to what is open: a holder removes the file when it ends.
bool still_named(int descriptor, const fs::path& path) {
  struct stat open {
  }, named{};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

std::string said_in(int descriptor) {
  std::string text(kMostSaid, '\0');
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(size_t(std::max<ssize_t>(got, 0)));
  std::erase_if(text, [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; });
  return text.empty() ? "another patina is using it" : text;
}

}  // namespace

FileLock::FileLock(const fs::path& path, std::string_view said) : beside_(lock_beside(path)) {
  for (;;) {
    descriptor_ = ::open(beside_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ < 0)
      fail(ErrorKind::file, "{}: cannot create: {}", beside_.string(), std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      const std::string told = said_in(descriptor_);
      ::close(descriptor_);
      if (error != EWOULDBLOCK)
        fail(ErrorKind::file, "{}: cannot lock: {}", beside_.string(), std::strerror(error));
      fail(ErrorKind::state, "{}: {}", path.string(), told);
    }
    if (still_named(descriptor_, beside_)) break;
    ::close(descriptor_);
  }
  const std::string text(said.substr(0, kMostSaid));
  if (::ftruncate(descriptor_, 0) == 0) [[maybe_unused]]
    const ssize_t put = ::pwrite(descriptor_, text.data(), text.size(), 0);
}

FileLock::~FileLock() {
  ::unlink(beside_.c_str());  // while it is locked: whoever has it open looks whether it is named
  ::close(descriptor_);
}

}  // namespace patina
