#include "patina/base/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace patina {

namespace fs = std::filesystem;

namespace {

// The first numbers of a file; a word such as "max" ends them.
std::optional<double> ratio_in(const fs::path& quota, const fs::path& period) {
  double used = 0, of = 0;
  if (std::ifstream file(quota); !(file >> used)) return std::nullopt;
  if (std::ifstream file(period); !(file >> of)) return std::nullopt;
  if (used <= 0 || of <= 0) return std::nullopt;  // v1 says -1: no limit
  return used / of;
}

// v2 has both in one file: "200000 100000", or "max 100000".
std::optional<double> ratio_in(const fs::path& both) {
  double used = 0, of = 0;
  std::ifstream file(both);
  if (!(file >> used >> of) || used <= 0 || of <= 0) return std::nullopt;
  return used / of;
}

void lower(std::optional<double>& least, std::optional<double> other) {
  if (other && (!least || *other < *least)) least = other;
}

// Whether a comma-separated list has the word.
bool lists(const std::string& list, const std::string& word) {
  std::istringstream words(list);
  for (std::string one; std::getline(words, one, ',');)
    if (one == word) return true;
  return false;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> least;
  std::ifstream groups(root / "proc/self/cgroup");  // "0::/a/b", or "4:cpu,cpuacct:/a/b"
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && !lists(controllers, "cpu")) continue;
    const fs::path mounted = root / "sys/fs/cgroup" / (unified ? "" : "cpu");
    // A group is limited by those above it, too. Inside a container, the path may be one of the
    // host that does not exist here: the container's own group is then at the top.
    fs::path group = fs::path(line.substr(second + 1)).relative_path();
    while (true) {
      const fs::path at = mounted / group;
      lower(least, unified ? ratio_in(at / "cpu.max")
                           : ratio_in(at / "cpu.cfs_quota_us", at / "cpu.cfs_period_us"));
      if (group.empty()) break;
      group = group.parent_path();
    }
  }
  return least;
}

int usable_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cores = int(std::max(1u, std::thread::hardware_concurrency()));
  // Fails with more cores than cpu_set_t holds.
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) cores = std::max(1, CPU_COUNT(&mask));
  if (const auto quota = cpu_quota()) cores = std::min(cores, std::max(1, int(std::ceil(*quota))));
  return cores;
}

}  // namespace patina
