// A fixed random projection into a wider space: RanPAC (McDonnell et al., NeurIPS 2023) and later
// methods.
#pragma once

#include "patina/base/random.h"
#include "patina/place.h"

namespace patina {

/// φ(f) = ReLU(f R), R [D,M] from N(0, 1). R is a function of the seed, so it is not saved.
class RandomProjection {
 public:
  /// `to` = M; 0: φ(f) = f.
  RandomProjection(int64_t width, int64_t to, Random random, const Place& place = {});

  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,M]
  int64_t width() const { return width_; }          // M
  const Tensor& matrix() const { return matrix_; }  // R; undefined: none

 private:
  int64_t width_;
  Tensor matrix_;  // [D,M]; undefined: none
};

}  // namespace patina
