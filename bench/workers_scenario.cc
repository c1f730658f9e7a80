#include "bench/workers_scenario.h"

#include <fmt/format.h>

#include <thread>

#include "bench/turns.h"
#include "patina/dist/membership.h"
#include "patina/dist/tree_sum.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

constexpr int kWorkers = 2;
constexpr int64_t kShards = 8;

// The workers of one sum: threads of this process, which speak over the loopback interface.
class Summing {
 public:
  explicit Summing(int64_t numbers)
      : workers_(workers_in_threads(kWorkers)), gradient_(at::ones({numbers})) {}

  void along_tree() {
    together([&](Workers& workers) {
      const Share own = share_of(kShards, workers.rank(), kWorkers);
      TreeSum sum(kShards, own.first);
      for (int64_t i = own.first; i < own.last; ++i) sum.add(gradient_.clone());
      total(workers, sum, kShards, gradient_);
    });
  }

  void by_all_reduce() {
    together([&](Workers& workers) {
      const Share own = share_of(kShards, workers.rank(), kWorkers);
      Tensor sum = gradient_.clone();
      for (int64_t i = own.first + 1; i < own.last; ++i) sum.add_(gradient_.clone());
      workers.add_up(sum);
    });
  }

  // Of one worker in a sum along the tree.
  double bytes() {
    const int64_t before = workers_[0]->bytes_sent();
    along_tree();
    return double(workers_[0]->bytes_sent() - before);
  }

 private:
  template <class Body>
  void together(Body body) {
    std::vector<std::thread> threads;
    for (auto& worker : workers_)
      threads.emplace_back([&] {
        const NoGrad no_grad;
        body(*worker);
      });
    for (auto& thread : threads) thread.join();
  }

  std::vector<std::unique_ptr<Workers>> workers_;
  Tensor gradient_;
};

Case sums_of(const char* name, int64_t numbers, const Pace& pace) {
  Summing summing(numbers);
  const auto times =
      times_in_turn(pace, {[&] { summing.along_tree(); }, [&] { summing.by_all_reduce(); }});
  return {fmt::format("{}, {} shards, {} workers", name, kShards, kWorkers),
          {{"along the tree", times[0], "s"},
           {"all-reduce", times[1], "s"},
           {"sent by a worker", summing.bytes() / 1e6, "MB"}},
          {{"tree against all-reduce", times[1] / times[0]}}};
}

}  // namespace

void measure_workers(bool quick, const Take& take) {
  if (!workers_available()) return;
  if (quick) return take(sums_of("ten thousand numbers", 10'000, kOnce));
  take(sums_of("LoRA of ViT-Base (0.3 million)", 300'000, one_of(3)));
  take(sums_of("ViT-Tiny (5.7 million)", 5'700'000, one_of(3)));
  take(sums_of("ViT-Base (86 million)", 86'000'000, one_of(3)));
}

}  // namespace patina::bench
