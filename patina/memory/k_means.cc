#include "patina/memory/k_means.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

constexpr int kMostIterations = 100;

// Squared distances of rows to centres: [N,D], [K,D] -> [N,K].
Tensor squared_distances(const Tensor& rows, const Tensor& centres) {
  return (rows.square().sum(1).unsqueeze(1) + centres.square().sum(1).unsqueeze(0) -
          at::matmul(rows, centres.t()) * 2)
      .clamp_min(0);
}

// Each centre is a row, drawn in proportion to its squared distance to the centres before it.
Tensor first_centres(const Tensor& rows, int64_t count, Random& random) {
  const int64_t n = rows.size(0);
  std::vector<int64_t> chosen = {int64_t(random.below(uint64_t(n)))};
  Tensor nearest = squared_distances(rows, rows.slice(0, chosen[0], chosen[0] + 1)).squeeze(1);
  while (int64_t(chosen.size()) < count) {
    double rest = random.uniform() * nearest.sum().item<double>();
    const double* distance = nearest.data_ptr<double>();
    int64_t next = 0;
    while (next + 1 < n && rest >= distance[next]) rest -= distance[next++];
    chosen.push_back(next);
    nearest = nearest.minimum(squared_distances(rows, rows.slice(0, next, next + 1)).squeeze(1));
  }
  return rows.index_select(0, tensor_of(chosen));
}

}  // namespace

Tensor cluster_centres(const Tensor& features, int64_t count, Random random) {
  NoGrad no_grad;
  const Tensor rows = on_host(features).to(at::kDouble).contiguous();
  if (count >= rows.size(0)) return rows;
  Tensor centres = first_centres(rows, count, random), cluster;
  for (int i = 0; i < kMostIterations; ++i) {
    const Tensor now = squared_distances(rows, centres).argmin(1);
    if (cluster.defined() && at::equal(now, cluster)) break;
    cluster = now;
    const Tensor members = at::one_hot(cluster, count).to(at::kDouble);  // [N,K]
    const Tensor sizes = members.sum(0).unsqueeze(1);                    // [K,1]
    // A cluster without rows stays where it is.
    const Tensor means = at::matmul(members.t(), rows) / sizes.clamp_min(1);
    centres = at::where(sizes > 0, means, centres);
  }
  return centres;
}

std::vector<int64_t> cluster_representatives(const Tensor& features, int64_t count, Random random) {
  NoGrad no_grad;
  const Tensor rows = on_host(features).to(at::kDouble).contiguous();
  const int64_t n = rows.size(0);
  if (count >= n) {
    std::vector<int64_t> all(size_t(n), 0);
    std::iota(all.begin(), all.end(), int64_t{0});
    return all;
  }
  const Tensor centres = cluster_centres(rows, count, random);
  // Two centres may share their nearest row: then the later one takes its next.
  const auto [distance, order] = at::sort(squared_distances(rows, centres), true, 0, false);
  std::set<int64_t> kept;
  for (int64_t k = 0; k < count; ++k)
    for (const int64_t row : items_of(order.select(1, k).contiguous()))
      if (kept.insert(row).second) break;
  return {kept.begin(), kept.end()};
}

}  // namespace patina
