#include "apps/patina/start/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "patina/base/error.h"

namespace patina::cli {

void write_new(const fs::path& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0 && errno == EEXIST)
    fail(ErrorKind::file, "{} exists and is not changed: choose another name or folder",
         path.string());
  if (file < 0) fail(ErrorKind::file, "{}: cannot create: {}", path.string(), std::strerror(errno));
  const bool whole = ::write(file, text.data(), text.size()) == ssize_t(text.size());
  const int error = errno;
  ::close(file);
  if (whole) return;
  ::unlink(path.c_str());
  fail(ErrorKind::file, "{}: cannot write: {}", path.string(), std::strerror(error));
}

}  // namespace patina::cli
