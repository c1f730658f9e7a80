#include "patina/memory/herding.h"

#include <limits>

#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

// The next one is that which brings the mean of those chosen nearest to the mean of all.
std::vector<int64_t> herded(const Tensor& features, int64_t count) {
  NoGrad no_grad;
  const Tensor rows = nn::normalized(features.to(at::kDouble));
  const Tensor mean = rows.mean(0);
  Tensor sum = at::zeros_like(mean);
  Tensor taken = at::zeros({rows.size(0)}, at::kBool);
  std::vector<int64_t> chosen;
  for (int64_t k = 1; k <= std::min(count, rows.size(0)); ++k) {
    const Tensor distance = (mean - (rows + sum) / double(k)).square().sum(1);
    const int64_t next = distance.masked_fill(taken, std::numeric_limits<double>::infinity())
                             .argmin()
                             .item<int64_t>();
    chosen.push_back(next);
    sum = sum + rows[next];
    taken[next].fill_(true);
  }
  return chosen;
}

void ClassMemory::set(int64_t target, std::vector<int64_t> positions) {
  if (target >= classes()) positions_.resize(size_t(target) + 1);
  positions_[size_t(target)] = std::move(positions);
}

void ClassMemory::truncate(int64_t count) {
  for (auto& list : positions_) list.resize(std::min(list.size(), size_t(count)));
}

Dataset ClassMemory::of_class(const Source& source, int64_t target) const {
  const auto& list = positions_[size_t(target)];
  return {source, list, std::vector<int64_t>(list.size(), target)};
}

Dataset ClassMemory::all(const Source& source) const {
  Dataset samples(source, {}, {});
  for (int64_t c = 0; c < classes(); ++c) samples = samples.joined(of_class(source, c));
  return samples;
}

void ClassMemory::state(Archive& a) {
  std::vector<int64_t> sizes, positions;
  for (const auto& list : positions_) {
    sizes.push_back(int64_t(list.size()));
    positions.insert(positions.end(), list.begin(), list.end());
  }
  a("sizes", sizes);
  a("positions", positions);
  if (!a.loading()) return;
  positions_.clear();
  auto next = positions.begin();
  for (const int64_t size : sizes) {
    positions_.emplace_back(next, next + size);
    next += size;
  }
}

}  // namespace patina
