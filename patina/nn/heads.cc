#include "patina/nn/heads.h"

#include "patina/ops.h"

namespace patina::nn {

void LinearHead::grow(int64_t classes, int64_t width, Random& random) {
  const int64_t known = this->classes();
  if (classes <= known) return;
  NoGrad no_grad;
  Tensor rows = at::empty({classes - known, width});
  init_kaiming(rows, random);
  weight = known > 0 ? at::cat({weight.detach(), rows}) : rows;
  bias = known > 0 ? at::cat({bias.detach(), at::zeros({classes - known})}) : at::zeros({classes});
  weight.requires_grad_(true);
  bias.requires_grad_(true);
}

Tensor LinearHead::operator()(const Tensor& features) const {
  return at::linear(features, weight, bias);
}

void LinearHead::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
}

Tensor normalized(const Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, /*keepdim=*/true).clamp_min(1e-12);
}

Tensor cosine_scores(const Tensor& features, const Tensor& prototypes) {
  return at::matmul(normalized(features), normalized(prototypes).t());
}

}  // namespace patina::nn
