// Orthonormal bases of where data were: GPM's directions (Saha et al., ICLR 2021), found from
// second moments and counted by their energy.
#pragma once

#include "patina/tensor.h"

namespace patina {

// Bases are [n,m] double with orthonormal columns; undefined: the empty one. Moments are X Xᵀ [n,n]
// double, of data X [n,samples].

/// What of the columns of x [n,k] is outside the basis: x - M Mᵀ x, in the type of x.
Tensor outside(const Tensor& basis, const Tensor& x);

/// The first `count` left singular vectors of c [n,n], as columns [n,count] in double.
Tensor leading_directions(const Tensor& c, int64_t count);

/// The basis with as few directions more, from what of the moment C is outside it, as hold `energy`
/// of Σσ²(C) together with those that were there. Directions that only rounding made are left out,
/// so energy = 1 gives the span of the data.
Tensor extended_basis(const Tensor& basis, const Tensor& moment, double energy);

}  // namespace patina
