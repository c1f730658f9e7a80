#include "patina/learners/isolation/contrast.h"

#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

Tensor supervised_contrast(const Tensor& h, const Tensor& target, double temperature) {
  const Tensor self = at::eye(h.size(0), h.options()).gt(0.5);
  const Tensor fellows =
      (target.unsqueeze(0) == target.unsqueeze(1)).masked_fill(self, 0).to(h.scalar_type());
  const Tensor products = at::matmul(h, h.t()) / temperature;
  // Finite, so that it has no effect where its weight is zero.
  constexpr double kNever = -1e9;
  const Tensor log_p = at::log_softmax(products.masked_fill(self, kNever), 1);
  const Tensor count = fellows.sum(1);
  const Tensor each = -(log_p * fellows).sum(1) / count.clamp_min(1);
  return each.sum() / count.gt(0).sum().clamp_min(1);
}

Tensor contrast(const Tensor& a, const Tensor& b, double temperature) {
  return nn::cross_entropy(at::matmul(a, b.t()) / temperature,
                           at::arange(a.size(0), a.options().dtype(at::kLong)));
}

}  // namespace patina
