#include "patina/algebra/random_projection.h"

#include "patina/ops.h"

namespace patina {

RandomProjection::RandomProjection(int64_t width, int64_t to, Random random, const Place& place)
    : width_(to > 0 ? to : width) {
  if (to == 0) return;
  matrix_ = at::empty({width, to});
  random.fill_normal(host_values(matrix_));
  matrix_ = on(place.device, matrix_);
}

Tensor RandomProjection::operator()(const Tensor& features) const {
  return matrix_.defined() ? at::relu(at::matmul(features, matrix_)) : features;
}

}  // namespace patina
