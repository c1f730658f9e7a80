#include "patina/kernels/flops.h"

#include <atomic>

namespace patina {

namespace {
std::atomic<int64_t> forward_flops{0}, backward_flops{0};
}

Flops flops() {
  return {forward_flops.load(), backward_flops.load()};
}

void count_flops(int64_t forward, int64_t backward) {
  forward_flops.fetch_add(forward, std::memory_order_relaxed);
  backward_flops.fetch_add(backward, std::memory_order_relaxed);
}

}  // namespace patina
