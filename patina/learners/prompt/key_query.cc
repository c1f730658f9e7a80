#include "patina/learners/prompt/key_query.h"

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

}  // namespace patina
