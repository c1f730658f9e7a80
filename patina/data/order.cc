#include "patina/data/order.h"

#include <algorithm>
#include <numeric>

namespace patina {

std::vector<int64_t> bucketed(std::vector<int64_t> order, std::span<const int64_t> cost,
                              int64_t batch_size, Random random) {
  const auto cost_of = [&](int64_t i) { return cost[size_t(i)]; };
  const int64_t batches = int64_t(order.size()) / batch_size;
  if (std::ranges::adjacent_find(order, std::ranges::not_equal_to{}, cost_of) == order.end())
    return order;
  const auto batch = [&](int64_t i) { return order.begin() + i * batch_size; };
  for (int64_t first = 0; first < batches; first += kBatchesSorted)
    std::ranges::stable_sort(batch(first), batch(std::min(first + kBatchesSorted, batches)), {},
                             cost_of);
  std::vector<int64_t> shuffled;
  shuffled.reserve(order.size());
  for (const int64_t i : random.permutation(batches))
    shuffled.insert(shuffled.end(), batch(i), batch(i + 1));
  shuffled.insert(shuffled.end(), batch(batches), order.end());
  return shuffled;
}

std::vector<int64_t> costliest_first(std::span<const int64_t> cost) {
  std::vector<int64_t> order(cost.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](int64_t i) { return cost[size_t(i)]; });
  return order;
}

}  // namespace patina
