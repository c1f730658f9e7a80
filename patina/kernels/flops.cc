#include "patina/kernels/flops.h"

#include "patina/base/work.h"

namespace patina {

Flops flops() {
  const Work* work = current_work();
  return work ? Flops{work->forward_flops.load(), work->backward_flops.load()} : Flops{};
}

void count_flops(int64_t forward, int64_t backward) {
  Work* work = current_work();
  if (!work) return;
  work->forward_flops.fetch_add(forward, std::memory_order_relaxed);
  work->backward_flops.fetch_add(backward, std::memory_order_relaxed);
}

}  // namespace patina
