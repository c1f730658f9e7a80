// `patina run --workers N`: several processes of this machine do a run together.
#pragma once

#include <cstdint>

namespace patina::cli {

/// Starts this command line `count` times, as workers that find each other, and waits for them.
/// What the first one says is shown. Signals that ask this process to stop are passed on. Throws
/// Error: `stopped` if it was asked to stop, `workers` with the cause if a worker ended otherwise.
void run_with_workers(int64_t count);

/// In a worker that was started so: asks this process to stop when the one that started it ends,
/// however that ends.
void follow_launcher();

}  // namespace patina::cli
