// What the kernels share among threads: the table of instructions, packed weights, the count of
// arithmetic. These tests also run under the thread sanitizer.
#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "patina/base/random.h"
#include "patina/base/team.h"
#include "patina/base/work.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/tiles.h"

namespace patina::kernels {
namespace {

constexpr int64_t kRows = 96, kColumns = 64, kWidth = 64;

std::vector<float> normal(int64_t count, uint64_t key) {
  std::vector<float> numbers(static_cast<size_t>(count));
  Random(key, 0).fill_normal(numbers);
  return numbers;
}

struct Matrices {
  std::vector<float> a = normal(kRows * kWidth, 1), w = normal(kColumns * kWidth, 2);
  Aligned<float> tiles = aligned<float>(tiles_size<float>(kColumns, kWidth));
  std::vector<float> c = std::vector<float>(kRows * kColumns);

  Matrices() { pack(w.data(), kWidth, 1, kColumns, kWidth, tiles.get()); }
  void multiply_rows(int64_t from, int64_t end) {
    Product<float> p;
    p.a = a.data() + from * kWidth;
    p.a_stride = kWidth;
    p.m = end - from;
    p.tiles = tiles.get();
    p.n = kColumns;
    p.k = kWidth;
    p.c = c.data() + from * kColumns;
    p.c_stride = kColumns;
    multiply(p);
  }
};

TEST(KernelThreads, MakeTheSameBitsTogether) {
  Matrices alone, shared;
  alone.multiply_rows(0, kRows);
  Team team(4);
  for (int loop = 0; loop < 20; ++loop) {
    std::fill(shared.c.begin(), shared.c.end(), 0.0f);
    team.run(kRows / 8, [&](int64_t i) { shared.multiply_rows(i * 8, i * 8 + 8); });
    ASSERT_EQ(shared.c, alone.c) << "loop " << loop;
  }
}

TEST(KernelThreads, CountEveryOperation) {
  // Two pieces of work at a time, with three threads each.
  std::array<Work, 2> works;
  std::vector<std::thread> threads;
  for (auto& work : works)
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&work] {
        const WorkScope scope(&work);
        for (int i = 0; i < 1000; ++i) count_flops(3, 5);
      });
  for (auto& thread : threads) thread.join();
  for (auto& work : works) {
    const WorkScope scope(&work);
    EXPECT_EQ(flops().forward, 3 * 1000 * 3);
    EXPECT_EQ(flops().backward, 3 * 1000 * 5);
  }
  EXPECT_EQ(flops().forward, 0) << "counted, and of no work";
}

}  // namespace
}  // namespace patina::kernels
