// Loops over a kernel's rows, shared among threads.
#pragma once

#include <cstdint>
#include <functional>

namespace patina::kernels {

/// Calls work(from, end) for ranges that make up [0, n), `least` items or more each, by a Team of
/// tensor_threads(): as in_parallel, but for loops of microseconds, whose work runs no operation of
/// LibTorch. Inside of in_parallel's work, in one piece.
void in_team(int64_t n, int64_t least, const std::function<void(int64_t, int64_t)>& work);

}  // namespace patina::kernels
