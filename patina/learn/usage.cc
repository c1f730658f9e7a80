#include "patina/learn/usage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "patina/base/json.h"
#include "patina/ops.h"

namespace patina {

void Usage::reset() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
}

void Usage::add(const Tensor& chosen, int64_t entries) {
  const std::lock_guard lock(mutex_);
  if (counts_.size() < size_t(entries)) counts_.resize(size_t(entries));
  for (const int64_t entry : items_of(chosen.flatten())) ++counts_.at(size_t(entry));
}

void Usage::add_up(Workers& workers) {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> all;
  const Tensor sizes = workers.gather(at::full({1}, int64_t(counts_.size()), at::kLong));
  all.resize(size_t(sizes.max().item<int64_t>()));
  counts_.resize(all.size());
  if (counts_.empty()) return;
  for (const Tensor& its : workers.gather(tensor_of(counts_)).unbind()) {
    const auto items = items_of(its);
    for (size_t i = 0; i < items.size(); ++i) all[i] += items[i];
  }
  counts_ = std::move(all);
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
