// The memory that a computation takes.
#pragma once

#include <functional>

namespace patina::bench {

/// The peak memory of `work` above what was allocated before it, in bytes.
double peak_bytes(const std::function<void()>& work);

}  // namespace patina::bench
