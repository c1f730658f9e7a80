// Subspaces of a layer's inputs, which methods keep free of change: the directions that hold most
// of a matrix, and what of a matrix lies outside a subspace.
#pragma once

#include "patina/tensor.h"

namespace patina {

// A basis is orthonormal rows [k,D]; undefined: the subspace of dimension 0. All is computed in
// double and on the device of the arguments.

/// What of each row of x [n,D] is outside the subspace: x - x BᵀB.
Tensor outside_rows(const Tensor& x, const Tensor& basis);

/// The `count` leading right singular vectors of x [n,D], as rows [count,D], largest first. Those
/// with a singular value of at most 1e-7 of `scale` (0: of the largest) are zero: what is left of a
/// matrix outside a subspace that holds all of it has no directions but rounding's.
Tensor leading_rows(const Tensor& x, int64_t count, double scale = 0);

/// The fewest leading right singular vectors of x [n,D] that hold the part `energy` of Σσ²: [k,D].
Tensor main_rows(const Tensor& x, double energy);

/// `basis` and the fewest leading directions of the rest of the second moment C [D,D] outside it
/// with which they hold the part `energy` of Σσ²(C), as in gradient projection memory (Saha et al.,
/// ICLR 2021).
Tensor extended_rows(const Tensor& basis, const Tensor& moment, double energy);

}  // namespace patina
