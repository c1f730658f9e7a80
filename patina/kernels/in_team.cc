#include "patina/kernels/in_team.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "patina/base/team.h"
#include "patina/tensor.h"

namespace patina::kernels {

void in_team(int64_t n, int64_t least, const std::function<void(int64_t, int64_t)>& work) {
  constexpr int64_t kPiecesAThread = 4;  // so that a thread that starts late still finds work
  const int64_t threads = tensor_threads(), pieces = std::min(n / least, threads * kPiecesAThread);
  if (threads == 1 || pieces < 2 || at::in_parallel_region()) {
    if (n > 0) work(0, n);
    return;
  }
  static Team team{int(threads)};
  team.run(pieces, [&](int64_t i) { work(n * i / pieces, n * (i + 1) / pieces); });
}

}  // namespace patina::kernels
