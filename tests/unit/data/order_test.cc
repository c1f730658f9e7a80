// Orders of samples: none is lost, similar costs are in one batch, and the rest is random.
#include "patina/data/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace patina {
namespace {

using Order = std::vector<int64_t>;

Order random_costs(int64_t count) {
  Random random = Seeds(3)("costs");
  Order cost;
  for (int64_t i = 0; i < count; ++i) cost.push_back(int64_t(random.below(200)));
  return cost;
}

Order order_of(int64_t count, uint64_t seed = 1) {
  return Seeds(seed)("order").permutation(count);
}

// The number of padding positions if each batch is padded to its costliest sample.
int64_t padding(const Order& order, const Order& cost, int64_t batch) {
  int64_t added = 0;
  for (size_t first = 0; first < order.size(); first += size_t(batch)) {
    const auto rows =
        std::span(order).subspan(first, std::min(size_t(batch), order.size() - first));
    int64_t most = 0;
    for (const int64_t i : rows) most = std::max(most, cost[size_t(i)]);
    for (const int64_t i : rows) added += most - cost[size_t(i)];
  }
  return added;
}

TEST(Bucketed, HoldsEverySampleOnceForAnySize) {
  for (const int64_t count : {0, 1, 7, 8, 9, 399, 400, 401, 1003}) {
    const Order cost = random_costs(count);
    Order order = bucketed(order_of(count), cost, 8, Seeds(1)("batches"));
    std::ranges::sort(order);
    Order all(size_t(count), 0);
    std::iota(all.begin(), all.end(), int64_t{0});
    EXPECT_EQ(order, all) << count;
  }
}

TEST(Bucketed, PutsLikeCostsTogether) {
  const Order cost = random_costs(2000), order = order_of(2000);
  const Order sorted = bucketed(order, cost, 8, Seeds(1)("batches"));
  EXPECT_LT(padding(sorted, cost, 8), padding(order, cost, 8) / 10);
  // Batches are not ordered by cost: about half of the steps from one to the next go up.
  int rises = 0;
  for (size_t i = 8; i < sorted.size(); i += 8)
    rises += cost[size_t(sorted[i])] > cost[size_t(sorted[i - 8])];
  EXPECT_GT(rises, 80);
  EXPECT_LT(rises, 170);
}

TEST(Bucketed, SortsWithinAWindowOnly) {
  // Two windows of 50 batches of 2 samples: every batch has samples of one half of the order.
  const Order order = order_of(200), cost = random_costs(200);
  const Order sorted = bucketed(order, cost, 2, Seeds(1)("batches"));
  const auto half = [&](int64_t sample) {
    return (std::ranges::find(order, sample) - order.begin()) / 100;
  };
  for (size_t i = 0; i < sorted.size(); i += 2) EXPECT_EQ(half(sorted[i]), half(sorted[i + 1]));
}

TEST(Bucketed, DependsOnItsArgumentsAlone) {
  const Order cost = random_costs(500);
  const auto run = [&](uint64_t order, uint64_t batches) {
    return bucketed(order_of(500, order), cost, 16, Seeds(batches)("batches"));
  };
  EXPECT_EQ(run(1, 1), run(1, 1));
  EXPECT_NE(run(1, 1), run(2, 1));
  EXPECT_NE(run(1, 1), run(1, 2));
}

TEST(Bucketed, LeavesTheShortBatchAndEqualCostsAlone) {
  const Order cost = random_costs(100), order = order_of(100);
  const Order sorted = bucketed(order, cost, 8, Seeds(1)("batches"));
  EXPECT_TRUE(std::equal(order.end() - 4, order.end(), sorted.end() - 4));
  EXPECT_NE(sorted, order);
  EXPECT_EQ(bucketed(order, Order(100, 7), 8, Seeds(1)("batches")), order);
}

TEST(CostliestFirst, KeepsTheOrderOfEqualCosts) {
  EXPECT_EQ(costliest_first(Order{3, 9, 3, 0, 9}), (Order{1, 4, 0, 2, 3}));
  EXPECT_EQ(costliest_first(Order{0, 0, 0}), (Order{0, 1, 2}));
  EXPECT_TRUE(costliest_first(Order{}).empty());
}

}  // namespace
}  // namespace patina
