#include "patina/algebra/random_projection.h"

#include "patina/ops.h"

namespace patina {

RandomProjection::RandomProjection(int64_t width, int64_t to, Random random)
    : width_(to > 0 ? to : width) {
  if (to == 0) return;
  matrix_ = at::empty({width, to});
  random.fill_normal(values(matrix_));
}

Tensor RandomProjection::operator()(const Tensor& features) const {
  return matrix_.defined() ? at::relu(at::matmul(features, matrix_)) : features;
}

}  // namespace patina
