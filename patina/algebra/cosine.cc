#include "patina/algebra/cosine.h"

#include "patina/ops.h"

namespace patina {

Tensor normalized(const Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, /*keepdim=*/true).clamp_min(1e-12);
}

Tensor cosine_scores(const Tensor& features, const Tensor& prototypes) {
  return at::matmul(normalized(features), normalized(prototypes).t());
}

}  // namespace patina
