#include "bench/memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

#include "patina/base/error.h"

namespace patina::bench {

namespace {

// A size in /proc/self/status, in bytes.
double status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) * 1024;
  fail(ErrorKind::file, "/proc/self/status has no {}: memory cannot be measured here", key);
}

}  // namespace

double peak_bytes(const std::function<void()>& work) {
  malloc_trim(0);
  // 5: resets the high-water mark (Linux, proc(5)).
  if (!(std::ofstream("/proc/self/clear_refs") << "5" << std::flush))
    fail(ErrorKind::file,
         "/proc/self/clear_refs cannot be written: memory cannot be measured here; leave it out "
         "with --only");
  const double before = status_bytes("VmRSS");
  work();
  return status_bytes("VmHWM") - before;
}

}  // namespace patina::bench
