// Loops over a kernel's rows, split among threads.
#pragma once

#include <cstdint>
#include <functional>

namespace patina::kernels {

/// Calls work(from, end) for ranges that cover [0, n), each of at least `least` items, on a Team of
/// tensor_threads() threads. For loops of microseconds that call no LibTorch operation; in_parallel
/// is for the others. Inside in_parallel's work it is one call on the same thread.
void in_team(int64_t n, int64_t least, const std::function<void(int64_t, int64_t)>& work);

}  // namespace patina::kernels
