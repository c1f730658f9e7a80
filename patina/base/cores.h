// How many cores this process may keep busy.
#pragma once

#include <filesystem>
#include <optional>

namespace patina {

/// The number of cores that this process may run on, at least 1: those of its affinity mask, and no
/// more than its control group's quota of processor time, rounded up. It can be less than the
/// machine has.
int usable_cores();

/// The quota of the control groups that this process belongs to, in cores: the smallest of all of
/// them. Nothing if none limits it. A container's `--cpus 2.5` is 2.5. Reads Linux's cgroup v1 and
/// v2 files below `root`.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace patina
