#include "patina/learners/prompt/key_query.h"

#include <cmath>
#include <numeric>

#include "patina/base/json.h"
#include "patina/ops.h"

namespace patina {

Tensor nearest(const Tensor& similarity, int64_t count) {
  return std::get<1>(at::topk(similarity, count, 1));
}

Tensor majority(const Tensor& chosen, int64_t entries) {
  const Tensor counts = at::bincount(chosen.flatten(), {}, entries);
  const Tensor order = std::get<1>(at::sort(counts, /*stable=*/true, 0, /*descending=*/true));
  return order.slice(0, 0, chosen.size(1)).unsqueeze(0).expand({chosen.size(0), -1}).contiguous();
}

Tensor picked(const Tensor& pool, const Tensor& chosen) {
  auto shape = pool.sizes().vec();
  shape[0] = chosen.size(1);
  shape.insert(shape.begin(), chosen.size(0));
  return pool.index_select(0, chosen.flatten()).reshape(shape);
}

Tensor pull(const Tensor& similarity, const Tensor& chosen) {
  return similarity.gather(1, chosen).sum(1).mean();
}

void Usage::reset() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
}

void Usage::add(const Tensor& chosen, int64_t entries) {
  const std::lock_guard lock(mutex_);
  if (counts_.size() < size_t(entries)) counts_.resize(size_t(entries));
  for (const int64_t entry : items_of(chosen.flatten())) ++counts_.at(size_t(entry));
}

Json Usage::json() const {
  const std::lock_guard lock(mutex_);
  const auto total = double(std::accumulate(counts_.begin(), counts_.end(), int64_t{0}));
  if (total == 0) return nullptr;
  double entropy = 0;
  for (const int64_t count : counts_)
    if (count > 0) entropy -= double(count) / total * std::log(double(count) / total);
  const double largest = std::log(double(counts_.size()));
  return {{"histogram", counts_},
          {"entropy", entropy},
          {"entropy_part", largest > 0 ? Json(entropy / largest) : Json(nullptr)}};
}

}  // namespace patina
