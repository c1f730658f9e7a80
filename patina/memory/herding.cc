#include "patina/memory/herding.h"

#include <limits>

#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

// Greedy: each step takes the sample that brings the mean of the chosen samples nearest to the mean
// of all.
std::vector<int64_t> herded(const Tensor& features, int64_t count) {
  NoGrad no_grad;
  const Tensor rows = normalized(features.to(at::kDouble));
  const Tensor mean = rows.mean(0);
  Tensor sum = at::zeros_like(mean);
  Tensor taken = at::zeros({rows.size(0)}, rows.options().dtype(at::kBool));
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

void ClassMemory::set(int64_t target, SampleHandles samples) {
  if (target >= classes()) samples_.resize(size_t(target) + 1);
  samples_[size_t(target)] = std::move(samples);
}

void ClassMemory::truncate(int64_t count) {
  for (auto& list : samples_) list.truncate(count);
}

SampleHandles ClassMemory::all() const {
  SampleHandles every;
  for (const auto& list : samples_) every.add(list);
  return every;
}

void ClassMemory::state(Archive& a) {
  std::vector<int64_t> sizes;
  for (const auto& list : samples_) sizes.push_back(list.size());
  a("sizes", sizes);
  SampleHandles every = all();
  every.state(a);
  if (!a.loading()) return;
  samples_.assign(sizes.size(), {});
  auto next = every.begin();
  for (size_t c = 0; c < sizes.size(); ++c)
    for (int64_t i = 0; i < sizes[c] && next != every.end(); ++i) samples_[c].add(*next++);
}

}  // namespace patina
